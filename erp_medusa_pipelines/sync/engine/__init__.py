"""What every sync has in common: chunks, bisection, stages, report, quarantine, brakes. Knows no DocType."""
