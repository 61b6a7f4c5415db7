"""Work tools: files, commands and git, named and shaped as Claude Code has them."""
