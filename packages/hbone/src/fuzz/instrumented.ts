import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';
import { type Plugin, rolldown } from 'rolldown';
import { parseAst } from 'rolldown/parseAst';
import type { FuzzTarget } from './targets.ts';

/** More branches than the code under test has; a clamped counter stays at its end instead of becoming 0 again. */
const MAX_COUNTERS = 8192;
const COUNTERS_MODULE = '\0counters';
const ENTRY_MODULE = '\0entry';
const UNDER_TEST = /[\\/]core[\\/].*\.ts$/;

/** The targets, with the code under test counting its branches as it runs. */
export interface Instrumented {
  readonly targets: Readonly<Record<string, FuzzTarget>>;
  /** How often each branch ran since the last `fill(0)`, up to 255. */
  readonly counters: Uint8ClampedArray;
  /** Counters in use. */
  readonly branches: number;
}

/**
 * Bundles the targets in memory with a counter in every branch of `core/`, and loads the bundle; nothing is written.
 * V8's own coverage would do without, but asking it after every run costs a hundred times the run.
 */
export async function loadInstrumented(): Promise<Instrumented> {
  const counting = new BranchCounting();
  const build = await rolldown({
    input: ENTRY_MODULE,
    platform: 'node',
    external: [/^node:/],
    resolve: { conditionNames: ['@ambientmesh/source', 'node', 'import', 'default'] },
    plugins: [counting.plugin()],
  });
  const { output } = await build.generate({ format: 'cjs' });
  await build.close();
  let loaded: Instrumented | undefined;
  const accept = (targets: Instrumented['targets'], counters: Uint8ClampedArray) => {
    loaded = { targets, counters, branches: counting.branches };
  };
  const load = compileFunction(output[0].code, ['require', 'accept'], { filename: 'fuzz-bundle.cjs' });
  load(createRequire(import.meta.url), accept);
  if (loaded === undefined) throw new Error('the bundle has no targets');
  return loaded;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

interface Insertion {
  readonly at: number;
  readonly text: string;
  /** Of those at one place the least comes first: ends before starts, inner ends before outer ones, outer starts first. */
  readonly order: number;
}

/** Statements and expressions that run or do not, by the property of the node that holds them. */
const BRANCHES: ReadonlyMap<string, readonly string[]> = new Map([
  ['IfStatement', ['consequent', 'alternate']],
  ['ForStatement', ['body']],
  ['ForOfStatement', ['body']],
  ['WhileStatement', ['body']],
  ['ConditionalExpression', ['consequent', 'alternate']],
  ['LogicalExpression', ['right']],
  ['ArrowFunctionExpression', ['body']],
]);

class BranchCounting {
  branches = 0;

  plugin(): Plugin {
    return {
      name: 'count-branches',
      resolveId: (id) => (id === COUNTERS_MODULE || id === ENTRY_MODULE ? id : null),
      load: (id) => {
        if (id === COUNTERS_MODULE) return `export const counters = new Uint8ClampedArray(${MAX_COUNTERS});`;
        if (id !== ENTRY_MODULE) return null;
        const targets = JSON.stringify(new URL('targets.ts', import.meta.url).pathname);
        return `import { TARGETS } from ${targets};\nimport { counters } from '${COUNTERS_MODULE}';\naccept(TARGETS, counters);`;
      },
      transform: (code, id) => (UNDER_TEST.test(id) ? this.#count(code) : null),
    };
  }

  #count(code: string): string {
    const insertions: Insertion[] = [];
    const program: unknown = parseAst(code, { lang: 'ts' });
    if (isNode(program)) this.#walk(program, insertions);
    insertions.sort((a, b) => a.at - b.at || a.order - b.order);
    let counted = `import { counters as __c } from '${COUNTERS_MODULE}';`;
    let from = 0;
    for (const { at, text } of insertions) {
      counted += code.slice(from, at) + text;
      from = at;
    }
    return counted + code.slice(from);
  }

  #walk(node: Node, insertions: Insertion[]): void {
    const wrapped = BRANCHES.get(node.type) ?? [];
    for (const key of wrapped) {
      const branch = node[key];
      if (isNode(branch) && branch.type !== 'BlockStatement') this.#wrap(branch, insertions);
    }
    if (node.type === 'BlockStatement') this.#insert(insertions, node.start + 1, `${this.#next()};`);
    const statements: unknown = node.type === 'SwitchCase' ? node['consequent'] : undefined;
    const first: unknown = Array.isArray(statements) ? statements[0] : undefined;
    if (isNode(first)) this.#insert(insertions, first.start, `${this.#next()};`);
    for (const child of Object.values(node)) {
      for (const inner of Array.isArray(child) ? child : [child]) if (isNode(inner)) this.#walk(inner, insertions);
    }
  }

  #wrap(branch: Node, insertions: Insertion[]): void {
    const order = insertions.length + 1;
    const isStatement = branch.type.endsWith('Statement');
    insertions.push({ at: branch.start, text: isStatement ? `{${this.#next()};` : `(${this.#next()},`, order });
    insertions.push({ at: branch.end, text: isStatement ? '}' : ')', order: -order });
  }

  #insert(insertions: Insertion[], at: number, text: string): void {
    insertions.push({ at, text, order: insertions.length + 1 });
  }

  #next(): string {
    this.branches += 1;
    if (this.branches > MAX_COUNTERS) throw new RangeError(`more than ${MAX_COUNTERS} branches`);
    return `__c[${this.branches - 1}]++`;
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}
