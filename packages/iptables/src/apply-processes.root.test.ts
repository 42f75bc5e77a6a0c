import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/**
 * Counted by the kernel: in a PID namespace of its own every process and thread takes the next number. The threads of
 * Node itself are all there once it has worked with files.
 */
const COUNT = `
  import { spawnSync } from 'node:child_process';
  import { applyRules, buildAmbientPodRules, findTools, removeRules, verifyRules } from '@ambientmesh/iptables';
  const nextPid = () => Number(spawnSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).stdout);
  const rules = buildAmbientPodRules({ capture: 'redirect', dns: true });
  let state = { rule: false, route: false };
  const port = {
    readIpv6State: async () => ({ usable: true, loopback: true }),
    readRouting: async () => state,
    changeRouting: async (_namespace, _family, _routing, change) => { state = change.wanted; },
  };
  const options = { namespace: '/proc/self/ns/net', tools: await findTools(), ...JSON.parse(process.argv[1]) };
  const place = options.port === true ? { ...options, networking: port } : options;
  await verifyRules(rules, place);
  const count = async (work) => {
    const before = nextPid();
    await work();
    return nextPid() - before - 1;
  };
  console.log(JSON.stringify({
    apply: await count(() => applyRules(rules, place)),
    again: await count(() => applyRules(rules, place)),
    verify: await count(() => verifyRules(rules, place)),
    remove: await count(() => removeRules(rules, place)),
  }));`;

const NODE = [process.execPath, '--conditions=@ambientmesh/source', '--input-type=module', '-e', COUNT];

test.each([
  {
    how: 'two each family, save and restore',
    options: { port: true },
    count: { apply: 4, again: 2, verify: 2, remove: 4 },
  },
  {
    how: 'without a port, sh once and ip twice each more',
    options: {},
    count: { apply: 9, again: 5, verify: 5, remove: 9 },
  },
])('processes that are started: $how', ({ options, count }) => {
  const said = execFileSync(
    'unshare',
    [
      '--pid',
      '--fork',
      '--mount-proc',
      '--net',
      'sh',
      '-c',
      'ip link set lo up; "$@"',
      'sh',
      ...NODE,
      JSON.stringify(options),
    ],
    { encoding: 'utf8', cwd: import.meta.dirname },
  );
  expect(JSON.parse(said)).toEqual(count);
});
