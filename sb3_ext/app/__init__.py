"""What the commands share: errors, console, tables, charts, Ray."""
