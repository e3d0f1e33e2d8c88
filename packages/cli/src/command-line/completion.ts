import type { Command } from "./command.ts";

/** The shells for which there is a completion script. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** Returns the script that completes commands and options of `penguiflow` in a shell. */
export function completionScript(shell: (typeof SHELLS)[number], commands: readonly Command[]): string {
  return shell === "fish" ? fish(commands) : shell === "zsh" ? zsh(commands) : bash(commands);
}

/** Words that may follow each beginning of a command line. */
function followers(commands: readonly Command[]): Map<string, string[]> {
  const all = new Map<string, string[]>([["", []]]);
  for (const { name, flags } of commands) {
    const words = name.split(" ");
    for (const [at, word] of words.entries()) {
      const before = words.slice(0, at).join(" ");
      const list = all.get(before) ?? [];
      if (!list.includes(word)) list.push(word);
      all.set(before, list);
    }
    all.set(name, [...(all.get(name) ?? []), ...optionsOf(flags)]);
  }
  return all;
}

const optionsOf = (flags: Command["flags"]): string[] => [
  ...Object.entries(flags).map(([name, flag]) => `--${flag.default === true ? "no-" : ""}${name}`),
  "--help",
];

function bash(commands: readonly Command[]): string {
  const cases = [...followers(commands)].map(([before, words]) => `    "${before}") words="${words.join(" ")}" ;;`);
  return `# eval "$(penguiflow completion bash)"
_penguiflow() {
  local before="" words=""
  local word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) before="\${before:+$before }$word" ;; esac
  done
  while :; do
    case "$before" in
${cases.map((line) => `  ${line}`).join("\n")}
    esac
    [ -n "$words" ] || [ -z "$before" ] && break
    case "$before" in *" "*) before="\${before% *}" ;; *) break ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _penguiflow penguiflow
`;
}

function zsh(commands: readonly Command[]): string {
  return `# eval "$(penguiflow completion zsh)"
autoload -U +X bashcompinit && bashcompinit
${bash(commands)}`;
}

function fish(commands: readonly Command[]): string {
  const lines = commands.flatMap(({ name, summary, flags }) => {
    const words = name.split(" ");
    const seen = words.slice(0, -1).map((word) => `__fish_seen_subcommand_from ${word}`);
    const first = seen.length === 0 ? "__fish_use_subcommand" : seen.join("; and ");
    const within = words.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
    return [
      `complete -c penguiflow -f -n "${first}" -a ${words.at(-1)} -d "${summary}"`,
      ...Object.entries(flags).map(([flag, { help, default: standard }]) => {
        const shown = standard === true ? `no-${flag}` : flag;
        return `complete -c penguiflow -n "${within}" -l ${shown} -d "${help}"`;
      }),
    ];
  });
  return `# penguiflow completion fish | source\n${lines.join("\n")}\n`;
}
