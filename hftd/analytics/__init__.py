"""What it came to: figures from equity and fills, and the story that a session's journal tells."""
