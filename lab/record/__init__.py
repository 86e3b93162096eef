"""What a run leaves behind: its record, its checkpoint, and the store of run folders that holds them."""
