"""Recurrent meta-reinforcement-learning agents as model subjects."""
