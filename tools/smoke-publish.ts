/** Publishes all packages to a throw-away registry on loopback, then installs, runs and type-checks one outside the repository. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const name = process.argv[2] ?? '@ambientmesh/iptables';
const [repo, work, registry] = [
  join(import.meta.dirname, '..'),
  mkdtempSync(join(tmpdir(), 'smoke-')),
  'http://127.0.0.1:4873/',
];
const [bin, app, npmrc] = [join(repo, 'node_modules/.bin'), join(work, 'consumer'), join(work, 'npmrc')];
const upstream = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
const rules = `'@ambientmesh/*': { access: $all, publish: $anonymous }, '**': { access: $all, proxy: up }`;
writeFileSync(
  join(work, 'registry.yaml'),
  `storage: ${work}/storage\nuplinks: { up: { url: '${upstream}' } }\npackages: { ${rules} }\nlog: { type: stdout, level: warn }\n`,
);
writeFileSync(npmrc, `registry=${registry}\n//127.0.0.1:4873/:_authToken=anonymous\n`);
mkdirSync(app);
writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }');
writeFileSync(
  join(app, 'main.ts'),
  `import * as api from '${name}';\nif (Object.keys(api).length === 0) throw new Error('no exports');\n`,
);
const run = (cwd: string, command: string, ...args: string[]): unknown =>
  execFileSync(command, args, { cwd, stdio: 'inherit', env: { ...process.env, NPM_CONFIG_USERCONFIG: npmrc } });
const server = spawn(join(bin, 'verdaccio'), ['-c', join(work, 'registry.yaml'), '-l', '127.0.0.1:4873'], {
  stdio: 'inherit',
});
try {
  for (
    let tries = 0;
    !(await fetch(`${registry}-/ping`).then(
      (r) => r.ok,
      () => false,
    ));
    tries++
  ) {
    if (tries === 50) throw new Error('registry did not start within 10 s');
    await sleep(200);
  }
  run(repo, join(bin, 'nx'), 'run-many', '-t', 'build');
  run(repo, join(bin, 'nx'), 'release', 'publish', `--registry=${registry}`);
  run(app, 'npm', 'install', '--ignore-scripts', name, '@types/node@22');
  run(app, 'node', 'main.ts');
  for (const tsc of ['tsc', 'tsc6'])
    run(
      app,
      join(bin, tsc),
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--types',
      'node',
      'main.ts',
    );
} finally {
  server.kill();
  rmSync(work, { recursive: true, force: true });
}
