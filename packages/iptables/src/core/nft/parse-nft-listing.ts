/** One chain as `nft list` shows it. */
export interface NftChainListing {
  /** `type nat hook output priority -100; policy accept;` for a base chain. */
  readonly hook: string | undefined;
  /** Rules in order, in the words of this version of nft. */
  readonly rules: readonly string[];
}

/** A set, map or anything else with a name that is no chain. */
export interface NftObjectListing {
  /** `set`, `map` and so on. */
  readonly kind: string;
  /** Its lines without elements and comments. */
  readonly properties: readonly string[];
  /** What stands between the braces of its elements; empty for none. */
  readonly elements: string;
}

/** One table as `nft list` shows it. */
export interface NftTableListing {
  /** Lines that are true of the whole table, such as `flags dormant`. */
  readonly properties: readonly string[];
  readonly objects: ReadonlyMap<string, NftObjectListing>;
  readonly chains: ReadonlyMap<string, NftChainListing>;
  /** The text `nft -f` reads again. */
  readonly text: string;
  /** The same without elements of sets, for a table whose sets are there. */
  readonly textWithoutElements: string;
}

/** Tables by family and name, such as `inet filter`. */
export type NftListing = ReadonlyMap<string, NftTableListing>;

interface Item {
  readonly kind: string;
  readonly name: string;
  readonly lines: string[];
}

/** Reads what `nft --stateless list ruleset` prints. What is not known is kept as lines; nothing is refused. */
export function parseNftListing(text: string): NftListing {
  const tables = new Map<string, NftTableListing>();
  let name = '';
  let lines: string[] = [];
  for (const line of text.split('\n')) {
    const begin = /^table (\S+ \S+) \{$/.exec(line);
    if (begin !== null) {
      name = begin[1] ?? '';
      lines = [];
    } else if (line === '}') {
      tables.set(name, readTable(name, lines));
    } else {
      lines.push(line);
    }
  }
  return tables;
}

function readTable(name: string, lines: readonly string[]): NftTableListing {
  const properties: string[] = [];
  const items: Item[] = [];
  let item: Item | undefined;
  for (const line of lines) {
    const begin = /^\t(\S+) (\S+) \{/.exec(line);
    if (begin !== null) items.push((item = { kind: begin[1] ?? '', name: begin[2] ?? '', lines: [] }));
    else if (line === '\t}') item = undefined;
    else if (item !== undefined) item.lines.push(line);
    else if (line !== '') properties.push(line.trim());
  }
  const chains = items.filter(({ kind }) => kind === 'chain');
  const objects = items.filter(({ kind }) => kind !== 'chain');
  return {
    properties,
    chains: new Map(chains.map((chain) => [chain.name, readChain(chain.lines)])),
    objects: new Map(
      objects.map(({ kind, name: object, lines: own }) => [
        object,
        {
          kind,
          properties: joinLines(withoutElements(own)).filter((line) => !line.startsWith('comment ')),
          elements: readElements(own),
        },
      ]),
    ),
    text: renderBlock(name, lines),
    textWithoutElements: renderBlock(name, withoutElements(lines)),
  };
}

function readChain(lines: readonly string[]): NftChainListing {
  const statements = joinLines(lines);
  const hook = statements.find((line) => /^type \S+ hook /.test(line));
  return { hook, rules: statements.filter((line) => line !== hook && !/^comment "[^"]*"$/.test(line)) };
}

/** Statements of an object begin after two tabs; what is further in continues the line before. */
function joinLines(lines: readonly string[]): readonly string[] {
  const statements: string[] = [];
  for (const line of lines) {
    const before = statements.length - 1;
    if (/^\t\t\s/.test(line) && before >= 0) statements[before] = `${statements[before]} ${line.trim()}`;
    else if (line.trim() !== '') statements.push(line.trim());
  }
  return statements;
}

function withoutElements(lines: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let inside = false;
  for (const line of lines) {
    inside ||= line.startsWith('\t\telements = {');
    if (!inside) kept.push(line);
    // Every line of elements but the last ends in a comma.
    inside &&= line.endsWith(',');
  }
  return kept;
}

function readElements(lines: readonly string[]): string {
  const without = new Set(withoutElements(lines));
  const text = lines.filter((line) => !without.has(line)).join(' ');
  return /\{(.*)\}/.exec(text)?.[1]?.trim() ?? '';
}

function renderBlock(name: string, lines: readonly string[]): string {
  return `table ${name} {\n${lines.map((line) => `${line}\n`).join('')}}\n`;
}
