"""Files into a cohort, and a cohort into files."""
