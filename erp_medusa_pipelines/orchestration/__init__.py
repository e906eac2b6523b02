"""How runs behave: batches, jobs, schedules, limits. No reading or writing of shops here."""
