"""Files of a person: read within limits, written whole or not at all."""
