"""`novacron init`: the questions, the values that follow from the answers, and the files of a new project.

`answers` has what the user says, `derived` what follows from it, `files` the text of the files and what is wrong with
them. They are checked as `novacron plan` checks them, also while questions are asked.
"""

from novacron_ops.new_project.answers import Answers
from novacron_ops.new_project.asking import ask_questions, check_answers, split_list
from novacron_ops.new_project.derived import complete
from novacron_ops.new_project.files import find_problems, render_files, write_files
from novacron_ops.new_project.questions import list_questions

__all__ = [
    "Answers",
    "ask_questions",
    "check_answers",
    "complete",
    "find_problems",
    "list_questions",
    "render_files",
    "split_list",
    "write_files",
]
