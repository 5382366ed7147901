"""Moving a cohort to a server so that nothing is lost or doubled: plan, journal, sending, audit."""
