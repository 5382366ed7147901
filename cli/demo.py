"""imnm-fhir demo: the whole road on two embedded synthetic sites."""

from pathlib import Path

import click

from imnm_fhir.cli.output import Voice, voice_options


@click.command(name="demo")
@click.argument("folder", default="imnm-fhir-demo", type=click.Path(path_type=Path))
@voice_options
def command(folder: Path, quiet: bool, verbose: bool) -> None:
    """Run the main job on two embedded synthetic sites, ending with Table 1 on the screen.

    Everything is written into FOLDER (default imnm-fhir-demo); no server and no network is needed.

    Example: imnm-fhir demo build/demo
    """
    from imnm_fhir.demo import demo

    voice = Voice(quiet, verbose)
    click.echo(demo(folder, say=voice.say))
