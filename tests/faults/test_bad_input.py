"""Bad input: one clear line that names the thing and the remedy, nothing lost; unreadable records are counted."""
