"""imnm-fhir demo: the whole road on two embedded synthetic sites."""

from pathlib import Path

import click

from imnm_fhir.cli.options import PATH, example, voice_options
from imnm_fhir.cli.output import Voice


@click.command(name="demo", epilog=example("imnm-fhir demo build/demo"))
@click.argument("folder", default="imnm-fhir-demo", type=PATH)
@voice_options
def command(folder: Path, voice: Voice) -> None:
    """Run the main job on two embedded synthetic sites.

    It ends with Table 1 on the screen. Everything is written into FOLDER (default imnm-fhir-demo);
    no server and no network is needed.
    """
    from imnm_fhir.demo import demo

    click.echo(demo(folder, say=voice.say))
