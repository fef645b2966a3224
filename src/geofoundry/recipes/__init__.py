"""One verb each: fit, evaluate, predict, dry run, init, quickstart."""
