"""What writes the pages of docs/ and measures what no command of the package does."""
