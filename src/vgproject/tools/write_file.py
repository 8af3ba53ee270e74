"""Writing a file whole, and editing a piece of it."""

from dataclasses import replace
from typing import ClassVar

from pydantic import Field, model_validator

from vgproject.tools.base import Arguments, ToolContext, Word, masked
from vgproject.tools.changes import ChangesFiles, Plan, encode, read_known, read_text
from vgproject.tools.edits import Edit, apply_edit
from vgproject.utils.secrets import count_masks
from vgproject.workspace.file_changes import FileWrite
from vgproject.workspace.text_files import TextFile, decode, with_line_end


class WriteArguments(Arguments):
    path: Word
    content: str


class WriteFile(ChangesFiles):
    name = "write_file"
    description = "Create a file or replace all of its content. Line ends, encoding and mode of a file stay."
    arguments = WriteArguments

    def plan(self, arguments: WriteArguments, context: ToolContext) -> Plan:
        path = context.workspace.files.locate(arguments.path)
        before = read_known(context, path)
        after = encode(_in_the_form_of(before, arguments.content), path)
        done = f"{'Created' if before is None else 'Wrote'} {path} ({len(after)} bytes)."
        return Plan(done, [FileWrite(path, before, after)])


def _in_the_form_of(before: bytes | None, content: str) -> TextFile:
    old = decode(before) if before else None
    if old is None:
        return TextFile(content)
    if old.line_ends == "CRLF":
        content = with_line_end(content, "\r\n")
    return replace(old, text=content)


class EditArguments(Arguments):
    path: Word
    old: str = Field(min_length=1, description="The text to replace, exactly as it is in the file, and once in it.")
    new: str
    replace_all: bool = Field(default=False, description="Replace every occurrence.")

    @model_validator(mode="after")
    def _changes_something(self) -> "EditArguments":
        if self.old == self.new:
            raise ValueError("old and new are the same")
        return self


class EditFile(ChangesFiles):
    name = "edit_file"
    description = "Replace an exact and unique piece of text in a file."
    arguments: ClassVar[type[EditArguments]] = EditArguments

    def plan(self, arguments: EditArguments, context: ToolContext) -> Plan:
        path = context.workspace.files.locate(arguments.path)
        before, file = read_text(context, path)
        if count_masks(arguments.old) and arguments.old not in file.text:
            raise masked(f"The text to replace in {path!r}")
        edit = Edit(path, arguments.old, arguments.new, replace_all=arguments.replace_all)
        edited = apply_edit(file, edit)
        after = encode(replace(file, text=edited.text), path)
        return Plan(f"Edited {path}{edited.how}.", [FileWrite(path, before, after)])
