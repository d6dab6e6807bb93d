"""Many laws, tables and settings fitted in one resumable go."""
