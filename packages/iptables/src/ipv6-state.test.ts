import { expect, test } from 'vitest';
import { readIpv6State } from './ipv6-state.ts';
import type { ToolResult } from './run-tool.ts';
import type { ToolPlace } from './tool-place.ts';

/** A place where every program ends as told. */
function placeOf(result: Partial<ToolResult>): ToolPlace {
  return {
    namespace: { fd: -1, identity: '4:1', label: '/run/netns/pod' },
    tools: {
      nsenter: 'nsenter',
      ip: 'ip',
      shell: 'sh',
      v4: { save: '', restore: '', variant: 'nft', waitArguments: [] },
      env: {},
    },
    run: () => Promise.resolve({ status: 0, stdout: '', stderr: '', ...result }),
  };
}

test.each([
  { result: { status: 3 }, state: { usable: false, kernel: false } },
  { result: { stdout: '1 all\n1 default\n0 eth0\n1 lo\n' }, state: { usable: true, loopback: false } },
  { result: { stdout: '1 all\n1 default\n1 eth0\n0 lo\n' }, state: { usable: false, kernel: true } },
  { result: { stdout: ' eth0\n0 lo\n' }, state: { usable: true, loopback: true } },
])('$result is $state', async ({ result, state }) => {
  expect(await readIpv6State(placeOf(result))).toMatchObject(state);
});

// Taking a failed look for "no IPv6" would leave the pod's IPv6 traffic uncaptured.
test.each([
  { result: { status: -1, stderr: 'ended by SIGKILL' } },
  { result: { status: 127, stderr: 'sh: cd: not found' } },
])('a look that failed is an error, not a kernel without IPv6: $result', async ({ result }) => {
  await expect(readIpv6State(placeOf(result))).rejects.toMatchObject({
    code: 'IPTABLES_SAVE_FAILED',
    message: expect.stringContaining('/run/netns/pod'),
  });
});
