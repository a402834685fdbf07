// Completion scripts from words and options: what may follow the words typed so far.

export interface Word {
  /** As in `job inspect`. */
  readonly words: string;
  readonly help: string;
  readonly options: readonly { readonly name: string; readonly help: string }[];
}

export function bashScript(words: readonly Word[]): string {
  return `# bash completion for edgectl
_edgectl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word next="" options=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  while :; do
    case "$path" in
${cases(words, (next, options) => `next="${next}" options="${options}"; break`)}
    esac
    case "$path" in *" "*) path="\${path% *}" ;; *) break ;; esac
  done
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$next" -- "$current")); [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _edgectl edgectl
`;
}

export function zshScript(words: readonly Word[]): string {
  return `#compdef edgectl
# zsh completion for edgectl; no variable is called path, which is PATH itself there
_edgectl() {
  local typed="" word next="" options=""
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in -*) ;; *) typed="\${typed:+$typed }$word" ;; esac
  done
  while :; do
    case "$typed" in
${cases(words, (next, options) => `next="${next}" options="${options}"; break`)}
    esac
    case "$typed" in *" "*) typed="\${typed% *}" ;; *) break ;; esac
  done
  case "$PREFIX" in
    -*) compadd -- \${=options} ;;
    *) if [ -n "$next" ]; then compadd -- \${=next}; else _files; fi ;;
  esac
}
if [ "\${funcstack[1]}" = "_edgectl" ]; then _edgectl "$@"; else compdef _edgectl edgectl; fi
`;
}

export function fishScript(words: readonly Word[]): string {
  const lines = followers(words).flatMap(({ path, next }) =>
    next.map(({ word, help }) => `complete -c edgectl -f -n '__edgectl_at "${path}"' -a ${word} -d ${quoted(help)}`),
  );
  const options = words.flatMap((leaf) =>
    leaf.options.map((option) => `complete -c edgectl -n '__edgectl_under "${leaf.words}"' ${fishOption(option.name)} -d ${quoted(option.help)}`),
  );
  return `# fish completion for edgectl
function __edgectl_words
  set -l words (commandline -opc)
  set -e words[1]
  string match -v -- '-*' $words | string join ' '
end
function __edgectl_at
  test "$(__edgectl_words)" = "$argv[1]"
end
function __edgectl_under
  string match -q -- "$argv[1]*" (__edgectl_words)
end
${[...lines, ...options].join("\n")}
`;
}

// --- internal ---

interface Followers {
  readonly path: string;
  readonly next: readonly { readonly word: string; readonly help: string }[];
}

/** For each beginning of a command, the words that may come next. */
function followers(words: readonly Word[]): readonly Followers[] {
  const byPath = new Map<string, Map<string, string>>();
  for (const leaf of words) {
    const parts = leaf.words.split(" ");
    parts.forEach((word, at) => {
      const path = parts.slice(0, at).join(" ");
      const next = byPath.get(path) ?? new Map<string, string>();
      const isLast = at === parts.length - 1;
      if (isLast || !next.has(word)) next.set(word, isLast ? leaf.help : `${word} commands`);
      byPath.set(path, next);
    });
  }
  return [...byPath].map(([path, next]) => ({ path, next: [...next].map(([word, help]) => ({ word, help })) }));
}

function cases(words: readonly Word[], body: (next: string, options: string) => string): string {
  const following = new Map(followers(words).map(({ path, next }) => [path, next.map(({ word }) => word).join(" ")] as const));
  const options = new Map(words.map((leaf) => [leaf.words, leaf.options.map((option) => option.name).join(" ")] as const));
  const paths = [...new Set([...following.keys(), ...options.keys()])];
  return paths.map((path) => `      "${path}") ${body(following.get(path) ?? "", options.get(path) ?? "")} ;;`).join("\n");
}

function fishOption(name: string): string {
  return name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
