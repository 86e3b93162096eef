"""What a run cost: time, the process's own memory, energy, and where it ran. Light: heavy imports wait until used."""
