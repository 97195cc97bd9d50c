"""Speed and memory: how fast what the package has runs beside what there is elsewhere, measured in turns."""
