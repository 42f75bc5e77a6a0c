import { fileURLToPath } from 'node:url';
import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testBasicTraffic } from './basic-traffic.ts';
import { startTestLab } from './lab/start-test-lab.ts';

const OWN_ZTUNNEL = fileURLToPath(new URL('../../apps/ztunnel/src/main.ts', import.meta.url));
/** The other ztunnel on the node `$1`, ours on all others; the lab appends the words of the command line. */
const ONE_EACH = `
other_node=$1 other=$2 node=$3 own=$4
shift 4
if [ "$NODE_NAME" = "$other_node" ]; then exec $other "$@"; fi
exec "$node" --conditions=@ambientmesh/source "$own" "$@"
`;

const reference = process.env['REFERENCE_ZTUNNEL'];
if (reference === undefined)
  process.stdout.write('skipped: interoperation with another ztunnel (REFERENCE_ZTUNNEL names no command)\n');

describe.skipIf(reference === undefined).each(['node1', 'node2'])(
  'with another ztunnel on %s, ours elsewhere',
  (node) => {
    let lab: LabClient;
    beforeAll(async () => {
      lab = await startTestLab({
        ztunnel: ['sh', '-ec', ONE_EACH, 'sh', node, reference ?? '', process.execPath, OWN_ZTUNNEL],
      });
    });
    afterAll(() => lab?.close());

    testBasicTraffic(() => lab);

    test('the two are different programs', async () => {
      const [one, other] = await Promise.all([
        lab.waitForLog('ztunnel@node1', isVersion),
        lab.waitForLog('ztunnel@node2', isVersion),
      ]);
      expect(one.slice(one.indexOf('version:'))).not.toBe(other.slice(other.indexOf('version:')));
    });
  },
);

function isVersion(line: string): boolean {
  return line.includes('version.BuildInfo{');
}
