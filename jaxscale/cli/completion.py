"""The command `completion`: what a shell completes, generated from the options themselves.

`shtab` writes the scripts. They complete commands, options and their choices by themselves; here
is said what takes a file, a folder, a law, a preset or a named table.
"""

from __future__ import annotations

import argparse
import re

from jaxscale.cli.commands import COMMANDS
from jaxscale.cli.outputs import deliver
from jaxscale.datasets.catalogue import ENTRIES
from jaxscale.laws import CATALOGUE
from jaxscale.objective.losses import NAMES

EXAMPLES = ("jaxscale completion bash", "jaxscale completion fish --json")
WHERE = """Print what makes a shell complete commands, options, laws and files. It goes into

  bash  ~/.local/share/bash-completion/completions/jaxscale
  zsh   a file _jaxscale in a folder of fpath
  fish  ~/.config/fish/completions/jaxscale.fish

and works in the next shell; eval "$(jaxscale completion bash)" tries it in this one."""
SHELLS = ("bash", "zsh", "fish")
FILES = ("runs", "fit", "metrics", "spec", "tables")
"""Arguments that are files, beside what says FILE of itself."""
JOINED = """\
# A colon ends no word here: LAW:PRESET. What bash took apart is put together for the function
# above, and of what it finds, bash gets what follows the last colon.
_jaxscale_joined() {
  local words=() at=0 k n word
  for ((k = 0; k < ${#COMP_WORDS[@]}; k++)); do
    word="${COMP_WORDS[k]}" n=${#words[@]}
    if ((n > 1)) && { [[ "$word" == :* ]] || [[ "${words[n - 1]}" == *: ]]; }; then
      words[n - 1]+="$word"
    else
      words+=("$word")
    fi
    ((k == COMP_CWORD)) && at=$((${#words[@]} - 1))
  done
  local COMP_WORDS=("${words[@]}") COMP_CWORD=$at
  _shtab_jaxscale
  word="${COMP_WORDS[COMP_CWORD]}"
  if [[ "$word" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
    word="${word%"${word##*:}"}"
    for k in "${!COMPREPLY[@]}"; do COMPREPLY[k]="${COMPREPLY[k]#"$word"}"; done
  fi
}
complete -o bashdefault -F _jaxscale_joined jaxscale
"""


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `completion`."""
    sub.description = WHERE
    sub.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def run(options: argparse.Namespace) -> int:
    """Print the script of a shell.

    Raises:
        ValueError: shtab is not installed.
    """
    script = completion(options.shell)
    deliver(options, script, lambda: {"shell": options.shell, "script": script})
    return 0


def completion(shell: str) -> str:
    """Return the script with which a shell completes what stands after `jaxscale`.

    Raises:
        ValueError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise ValueError("completion is written by shtab: pip install shtab") from None
    from jaxscale.cli.parser import parser

    top = parser()
    for name, sub in top.commands.items():
        for action in sub._actions:
            _tell(name, action)
    joined = f"\n{JOINED}" if shell == "bash" else ""
    return f"{shtab.complete(top, shell, preamble=_preamble(shell)).rstrip()}\n{joined}".rstrip()


def _tell(command: str, action: argparse.Action) -> None:
    """Say what completes an argument; the parser is for this alone, so choices exclude nothing."""
    kind = {"FILE": "file", "DIR": "directory", "KIND|FILE": "file"}.get(str(action.metavar), "")
    if not action.option_strings and action.dest in FILES:
        kind = "fit_file" if action.dest == "fit" else "file"
    if "--law" in action.option_strings:
        kind = "law_file"
    if "--loss" in action.option_strings:
        kind = "loss_file"
    if command in ("laws", "datasets") and action.dest == "name":
        action.choices = sorted(CATALOGUE if command == "laws" else ENTRIES)
    if command == "man" and action.dest == "name":
        action.choices = list(COMMANDS)
    if kind:
        vars(action)["complete"] = KINDS[kind]
    if action.metavar:  # zsh has colons and brackets of its own
        action.metavar = re.sub(r"\W+", " ", str(action.metavar)).strip()


def _words(kind: str) -> list[str]:
    if kind == "fit_file":
        return [f"{name}:{preset}" for name, law in CATALOGUE.items() for preset in law.presets]
    return list(NAMES) if kind == "loss_file" else list(CATALOGUE)


WORDS_TOO = ("fit_file", "law_file", "loss_file")
"""What is a file, or one of some words."""
KINDS = {
    "file": {
        "bash": "_shtab_compgen_files",
        "zsh": "_files",
        "fish": "(__fish_complete_path (commandline -ct))",
    },
    "directory": {
        "bash": "_shtab_compgen_dirs",
        "zsh": "_files -/",
        "fish": "(__fish_complete_directories)",
    },
    **{
        kind: {
            "bash": f"_jaxscale_{kind}",
            "zsh": f"_jaxscale_{kind}",
            "fish": f"(_jaxscale_{kind})",
        }
        for kind in WORDS_TOO
    },
}
"""What completes an argument, by shell."""
FUNCTIONS = {
    "bash": '{name}() {{ compgen -W "{words}" -- "$1"; compgen -f -- "$1"; }}',
    "zsh": "{name}() {{ compadd -- {words}; _files }}",
    "fish": "function {name}; printf '%s\\n' {words}; __fish_complete_path (commandline -ct); end",
}


def _preamble(shell: str) -> str:
    """Return the functions of what is a file, or one of some words."""
    return "\n".join(
        FUNCTIONS[shell].format(name=f"_jaxscale_{kind}", words=" ".join(_words(kind)))
        for kind in WORDS_TOO
    )
