"""What a run cost: time, the process's memory, energy, and where it ran. Nothing heavy is imported until it is asked for."""
