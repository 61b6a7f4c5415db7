"""Table: all work tools."""

from leadhand.tool import Tool
from leadhand.tools.work import bash, edit, git, glob, grep, read, write

WORK_TOOLS: tuple[Tool, ...] = (
    read.TOOL,
    write.TOOL,
    edit.TOOL,
    bash.TOOL,
    git.TOOL,
    glob.TOOL,
    grep.TOOL,
)
