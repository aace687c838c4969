#!/usr/bin/env python3
"""Writes the shell completions from what the program says of itself, so that they list every option.

usage: completions/generate.py --program build/release/sutra [--check]

--check writes nothing and fails when completions/sutra.bash or completions/_sutra is not up to date.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
FILES = {"FILE", "DIR", "MODEL"}  # values that are completed as file names
ARGUMENTS = {"pull": "models", "info": "models", "convert": "models", "quantize": "models", "verify": "models", "eval": "sts retrieval",
             "bench": "kernels breakdown ablation"}


def help_of(program, *words):
    return subprocess.run([program, *words, "--help"], check=True, capture_output=True, text=True).stdout


def read_commands(program):
    """Name -> (summary, options); an option is (letter, name, value, help)."""
    overview = help_of(program)
    commands = dict(re.findall(r"^  (\w+) +(.+)$", overview.split("Commands:\n")[1].split("\n\n")[0], re.M))
    return {name: (summary, read_options(help_of(program, name))) for name, summary in commands.items()}


def read_options(text):
    options = []
    for line in text.split("\nOptions:\n")[1].splitlines():
        start = re.match(r"  (?:-(\w), |    )--([\w-]+)(?: (\S+))?(?:  +(.+))?$", line)
        if start:
            options.append([start[1], start[2], start[3], start[4] or ""])
        else:
            options[-1][3] = f"{options[-1][3]} {line.strip()}".strip()
    return options


def words_of(option):
    letter, name, _, _ = option
    return ([f"-{letter}"] if letter else []) + [f"--{name}"]


HEAD = "{comment} Completion of the sutra command for {shell}. Made by completions/generate.py; do not edit.\n"


def bash_values(options):
    """Lines of a case on the previous word."""
    lines, plain, values = [], [], {}
    for option in options:  # commands may take different words for an option
        values.setdefault(option[1], []).extend((option[2] or "").split("|"))
    for option in {option[1]: option for option in options}.values():
        value = "|".join(dict.fromkeys(values[option[1]]))
        if not value:
            continue
        pattern = " | ".join(words_of(option))
        if option[1] == "model":
            lines.append(f"    {pattern})\n        _sutra_models\n        return\n        ;;")
        elif "|" in value:
            lines.append(f'    {pattern})\n        mapfile -t COMPREPLY < <(compgen -W "{value.replace("|", " ")}" '
                         f'-- "$current")\n        return\n        ;;')
        elif value in FILES:
            lines.append(f'    {pattern})\n        mapfile -t COMPREPLY < <(compgen -f -- "$current")\n'
                         "        return\n        ;;")
        else:
            plain.append(pattern)
    if plain:
        lines.append(f"    {' | '.join(plain)})\n        return\n        ;;")
    return lines


def bash(commands):
    names = " ".join([*commands, "help"])
    seen = {}
    for _, options in commands.values():
        for option in options:
            seen.setdefault((option[0], option[1], option[2]), option)
    values = "\n".join(bash_values(seen.values()))
    words = "\n".join(f'    {name}) words="{" ".join(w for o in options for w in words_of(o))}" ;;'
                      for name, (_, options) in commands.items())
    arguments = "\n".join(f"        {name}) {'_sutra_models' if what == 'models' else add(what)} ;;"
                          for name, what in ARGUMENTS.items())
    return HEAD.format(comment="#", shell="bash") + f"""
_sutra_models() {{
    local names
    names=$(sutra list 2>/dev/null | sed '1d; s/ .*//')
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$current")
    mapfile -t -O "${{#COMPREPLY[@]}}" COMPREPLY < <(compgen -d -- "$current")
}}

_sutra() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "{names} --help --version" -- "$current")
        return
    fi
    case $previous in
{values}
    esac
    case ${{COMP_WORDS[1]}} in
{words}
    help) words="{' '.join(commands)}" ;;
    esac
    if [[ $current == -* || ${{COMP_WORDS[1]}} == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    else
        case ${{COMP_WORDS[1]}} in
{arguments}
        *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        esac
    fi
}}

complete -o filenames -F _sutra sutra
"""


def add(words):
    return (f'mapfile -t COMPREPLY < <(compgen -W "{words}" -- "$current") && '
            'mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")')


def zsh_option(option):
    letter, name, value, text = option
    text = re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")
    if not value:
        action = ""
    elif name == "model":
        action = ":model:_sutra_models"
    elif "|" in value:
        action = f":{name}:({value.replace('|', ' ')})"
    elif value in FILES:
        action = f":{value.lower()}:_files" + (" -/" if value == "DIR" else "")
    else:
        action = f":{value.lower()}: "
    long = f"--{name}{'=' if value else ''}[{text}]{action}"
    if not letter:
        return f"'{long}'"
    short = f"-{letter}{'+' if value else ''}[{text}]{action}"
    return f"'{short}' '{long}'"


def zsh(commands):
    listing = "\n".join(f"        '{name}:{summary}'" for name, (summary, _) in commands.items())
    cases = []
    for name, (_, options) in commands.items():
        rest = {"models": "'*:model:_sutra_models'", "sts retrieval": "'1:task:(sts retrieval)' '2:data:_files'",
                "kernels breakdown ablation": "'1:task:(kernels breakdown ablation)'",
                None: "'*: :_files'"}[ARGUMENTS.get(name)]
        lines = " \\\n            ".join([zsh_option(option) for option in options] + [rest])
        cases.append(f"    {name})\n        _arguments -S \\\n            {lines}\n        ;;")
    return "#compdef sutra\n" + HEAD.format(comment="#", shell="zsh") + f"""
_sutra_models() {{
    local -a names
    names=(${{(f)"$(sutra list 2>/dev/null | sed '1d; s/ .*//')"}})
    _alternative "models:model:(${{names}})" 'folders:folder:_files -/'
}}

_sutra() {{
    local -a commands
    commands=(
{listing}
        'help:show the options of a command'
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{chr(10).join(cases)}
    help) _describe command commands ;;
    esac
}}

_sutra "$@"
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    commands = read_commands(options.program)
    stale = 0
    for name, text in (("sutra.bash", bash(commands)), ("_sutra", zsh(commands))):
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if options.check:
            print(f"completions/{name} is not up to date: run completions/generate.py --program PROGRAM")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
