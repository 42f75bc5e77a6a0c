/**
 * Bundles an app into `bundle/`: workspace sources inlined, native packages left as imports. `main.mjs` is what is
 * started: an older Node could not even link the program, so it is loaded once its version is known to do.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename } from 'node:path';
import { type Plugin, rolldown } from 'rolldown';

const PROGRAM = 'program';
const BUILT_IN = '\0built-in:';
/** Nothing that names is left out: they are in stacks and logs. Licences of others stay, too. */
const SMALL = {
  // A text with one other character takes two bytes for each of its characters, in each thread that runs it.
  charset: 'ascii',
  comments: { legal: true, annotation: false, jsdoc: false },
  minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
} as const;

const [program, ...workers] = process.argv.slice(2);
if (program === undefined) throw new Error('usage: bundle.ts PROGRAM [WORKER...]');
const [, major, minor] = /"node": ">=(\d+)\.(\d+)"/.exec(readFileSync('package.json', 'utf8')) ?? [];
if (minor === undefined) throw new Error('package.json: want engines.node as >=MAJOR.MINOR');

rmSync('bundle', { recursive: true, force: true });
mkdirSync('bundle');
await bundle(program, PROGRAM);
for (const worker of workers) await bundle(worker, basename(worker, '.ts'));
writeFileSync(
  'bundle/main.mjs',
  `const [major, minor] = process.versions.node.split('.').map(Number);
if (major < ${major} || (major === ${major} && minor < ${minor})) {
  process.stderr.write(\`Error: Node \${process.versions.node} is too old: ${major}.${minor} or newer is needed\\n\`);
  process.exit(1);
}
await import('./${PROGRAM}.mjs');
`,
);

async function bundle(input: string, name: string): Promise<void> {
  const build = await rolldown({
    input,
    platform: 'node',
    // gRPC loads the second for a service that only Google's own clients ask for, and only then.
    external: ['koffi', '@grpc/proto-loader'],
    plugins: [builtIns()],
    resolve: { conditionNames: ['@ambientmesh/source', 'node', 'import', 'default'] },
    transform: { target: 'node22' },
  });
  await build.write({
    dir: 'bundle',
    entryFileNames: `${name}.mjs`,
    chunkFileNames: `${name}-[name].mjs`,
    format: 'esm',
    sourcemap: true,
    codeSplitting: { groups: [{ name: packageOf, debugName: 'packages' }] },
    ...SMALL,
  });
}

/** Each package is a file of its own: parsing takes six times the size of a file, and malloc keeps what the largest took. */
function packageOf(id: string): string | null {
  if (id.startsWith(BUILT_IN)) return null;
  const [, name] = /.*\/(?:node_modules|packages)\/((?:@[^/]+\/)?[^/]+)\//.exec(id) ?? [];
  return name?.replace('@', '').replace('/', '-') ?? null;
}

/**
 * Takes of Node's own modules what is used. An `import` of one reads all that it exports, and some of it is loaded by
 * being read: the WebSocket of node:http has 7 MB of heap and 8 MB of pages of the binary, in each thread.
 */
function builtIns(): Plugin {
  return {
    name: 'built-ins',
    resolveId: (source, _importer, { kind }) =>
      kind === 'import-statement' && isBuiltin(source)
        ? { id: `${BUILT_IN}${source}`, moduleSideEffects: false }
        : undefined,
    load(id) {
      if (!id.startsWith(BUILT_IN)) return undefined;
      const source = id.slice(BUILT_IN.length);
      const names = Object.keys(process.getBuiltinModule(source) ?? {}).filter((name) => name !== 'default');
      return [
        `const builtIn = process.getBuiltinModule(${JSON.stringify(source)});`,
        'export default builtIn;',
        ...names.map((name) => `export const ${name} = /* @__PURE__ */ (() => builtIn.${name})();`),
      ].join('\n');
    },
  };
}
