"""Who plays, by learning."""
