/**
 * Proves each library outside the repository: packs it, installs the tarballs into an empty project, and runs the TypeScript
 * examples of its README as written, on every supported Node. Those marked `ts root` are run by tests that have root. `node tools/smoke-packages.ts`
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

const NODES = ['22.23.3', '24.21.0', '26.10.0'];
const root = join(import.meta.dirname, '..');
const packages = globSync('packages/*/package.json', { cwd: root }).map((file) => join(root, dirname(file)));
const readme = (folder: string): string[] =>
  [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? '');
const examples = new Map<string, string>();
for (const folder of [root, ...packages]) {
  const found = readme(folder);
  if (found.length === 0) throw new Error(`${folder}/README.md has no TypeScript example`);
  const name = folder === root ? 'readme' : basename(folder);
  for (const [index, example] of found.entries()) examples.set(`${name}-${index + 1}`, example);
}
const scratch = mkdtempSync(join(tmpdir(), 'smoke-'));
/** Those for root: they are compiled here and run by tests. */
const rootExamples = (): string[] =>
  packages.flatMap((folder) =>
    [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/```ts root\n(.*?)```/gs)].map(
      ([, code]) => code ?? '',
    ),
  );
/** Without a registry npm tries again for many minutes; that is told sooner. */
const NPM_LIMIT_MS = 180_000;
const npm = (cwd: string, ...args: string[]): string =>
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    timeout: NPM_LIMIT_MS,
    killSignal: 'SIGKILL',
  });

try {
  const tarballs = new Map<string, string>();
  for (const folder of packages) {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = npm(folder, 'pack', '--pack-destination', scratch).trim().split('\n').at(-1);
    tarballs.set(name, `file:${join(scratch, file ?? '')}`);
  }
  const consumer = join(scratch, 'consumer');
  mkdirSync(consumer);
  const all = Object.fromEntries(tarballs);
  writeFileSync(
    join(consumer, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies: all, overrides: all }),
  );
  npm(consumer, 'install', '--ignore-scripts');
  const rules = execFileSync('npx', ['--no-install', '@ambientmesh/iptables', 'rules'], {
    cwd: consumer,
    encoding: 'utf8',
  });
  const expected = readFileSync(join(root, 'packages/iptables/fixtures/tproxy.v4.restore'), 'utf8');
  if (rules !== expected) throw new Error(`npx @ambientmesh/iptables rules prints something else:\n${rules}`);
  const found = spawnSync('npx', ['--no-install', '@ambientmesh/policy', 'check', '-'], {
    cwd: consumer,
    encoding: 'utf8',
    input: '{ name: web, namespace: shop, scope: Namespace, action: Audit, dryRun: false, rules: [] }\n',
  });
  const mistake = 'standard input:1:57: error: action: want Allow or Deny, not "Audit"\n';
  if (found.status !== 1 || found.stdout !== mistake)
    throw new Error(`npx @ambientmesh/policy check: ${found.status}\n${found.stdout}${found.stderr}`);
  const checked = [...examples].map(([name, example]) => ({ file: `${name}.ts`, example }));
  for (const [index, example] of rootExamples().entries()) checked.push({ file: `root-${index + 1}.ts`, example });
  for (const { file, example } of checked) writeFileSync(join(consumer, file), `${example}export {};\n`);
  const compilerOptions = {
    noEmit: true,
    strict: true,
    module: 'nodenext',
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable'],
    typeRoots: [join(root, 'node_modules', '@types')],
    types: ['node'],
  };
  const files = checked.map(({ file }) => file);
  writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', consumer], { stdio: 'inherit' });
  let runs = 0;
  for (const version of NODES) {
    const prefix = join(scratch, `node-${version}`);
    npm(scratch, 'install', '--ignore-scripts', '--prefix', prefix, `node-linux-${arch()}@${version}`);
    const node = join(prefix, 'node_modules', '.bin', 'node');
    for (const [name, example] of examples) {
      const file = join(consumer, `${name}.ts`);
      writeFileSync(file, example);
      const output = execFileSync(node, ['--disable-warning=ExperimentalWarning', file], {
        cwd: consumer,
        encoding: 'utf8',
        timeout: 30_000,
      });
      if (output.trim() === '') throw new Error(`the example ${name} prints nothing on Node ${version}`);
      runs++;
    }
  }
  console.log(
    `${runs} README examples ran from packed libraries on Node ${NODES.join(', ')}; ${checked.length} have right types`,
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
