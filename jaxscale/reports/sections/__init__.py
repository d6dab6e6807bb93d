"""The parts of a report: each a function of the material, None where it has nothing to say."""
