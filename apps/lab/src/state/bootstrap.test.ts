import { expect, test } from 'vitest';
import { buildBootstrapCommand, isPrivileged } from './bootstrap.ts';

const options = { basePath: '/tmp/labs', name: 'a', command: ['node', 'main.ts'] };

test('an ordinary user gets a user namespace, root needs none', () => {
  const flags = '--mount --net --pid --ipc';
  expect(buildBootstrapCommand({ ...options, privileged: false }).join(' ')).toContain(
    `unshare ${flags} --user --map-root-user --fork`,
  );
  expect(buildBootstrapCommand({ ...options, privileged: true }).join(' ')).toBe(
    `unshare ${flags} --fork --kill-child --mount-proc --propagation private -- sh /tmp/labs/a/bootstrap.sh /tmp/labs a node main.ts`,
  );
});

test.each([
  { name: 'all capabilities', hex: '000001ffffffffff', privileged: true },
  { name: 'none', hex: '0000000000000000', privileged: false },
  { name: 'those of a container', hex: '00000000a80425fb', privileged: false },
  { name: 'CAP_SYS_ADMIN without CAP_NET_ADMIN', hex: '0000000000200000', privileged: false },
])('$name: privileged is $privileged', ({ hex, privileged }) => {
  expect(isPrivileged(`Name:\tnode\nCapEff:\t${hex}\n`)).toBe(privileged);
});
