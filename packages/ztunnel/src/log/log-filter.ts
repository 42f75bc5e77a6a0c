import type { LogLevel } from './line.ts';

const levelNames = ['off', 'error', 'warn', 'info', 'debug', 'trace'] as const;
type LevelName = (typeof levelNames)[number];

interface TargetLevel {
  /** Module path without `ztunnel::`; `ztunnel` stands for every module. */
  readonly target: string;
  readonly level: number;
}

/** Level of the lines that nothing else decides. */
const defaultLevel: LevelName = 'info';
/** Targets that the name of the program does not cover. */
const foreignTargets = new Set(['access', 'dns']);

/** Which lines are printed: a level, and levels of single targets (spec ztunnel.md §12). Immutable. */
export class LogFilter {
  readonly #level: number;
  readonly #targets: readonly TargetLevel[];

  constructor(level: LevelName, targets: ReadonlyMap<string, LevelName>) {
    this.#level = levelNames.indexOf(level);
    this.#targets = [...targets]
      .map(([target, name]) => ({ target, level: levelNames.indexOf(name) }))
      .toSorted((a, b) => b.target.length - a.target.length);
  }

  /** Whether a line of `scope` at `level` is printed. The longest target that is a prefix decides. */
  isEnabled(scope: string, level: LogLevel): boolean {
    const found = this.#targets.find(({ target }) => covers(target, scope));
    return levelNames.indexOf(level) <= (found?.level ?? this.#level);
  }

  /** The filter as `/logging` shows it: targets first, the bare level last. */
  toString(): string {
    const targets = this.#targets.map(({ target, level }) => `${target}=${levelNames[level]}`);
    return [...targets, levelNames[this.#level]].join(',');
  }
}

/**
 * Reads a `RUST_LOG` value: a comma list of `level` or `target=level`; levels in any case. Returns the reason, as text, if it
 * is not one. Without a bare level the rest is at `info`.
 */
export function parseLogFilter(text: string): LogFilter | string {
  let level: LevelName = defaultLevel;
  const targets = new Map<string, LevelName>([['hickory_server::server', 'off']]);
  for (const part of text.split(',').map((piece) => piece.trim())) {
    if (part === '') continue;
    const at = part.lastIndexOf('=');
    const name = parseLevel(part.slice(at + 1));
    if (name === undefined) return `invalid level in \`${part}\`, expected off, error, warn, info, debug or trace`;
    const target = at === -1 ? undefined : part.slice(0, at).trim();
    if (target === undefined) level = name;
    else if (/^[\w:.-]+$/.test(target)) targets.set(target.replace(/^ztunnel::/, ''), name);
    else return `invalid target in \`${part}\``;
  }
  return new LogFilter(level, targets);
}

function parseLevel(text: string): LevelName | undefined {
  const lower = text.trim().toLowerCase();
  return levelNames.find((name) => name === lower);
}

function covers(target: string, scope: string): boolean {
  if (target === 'ztunnel') return !foreignTargets.has(scope);
  return scope === target || scope.startsWith(`${target}::`);
}
