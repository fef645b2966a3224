"""Training tasks: LightningModules with their losses, metrics and optimizers."""
