"""Everything that may break, once each: killed runs and servers, faults of every call, bad input, planted secrets."""
