"""Recipes, and the training run that follows one."""
