import { ErrorCode } from '../core/error-code.ts';
import { data, headers, SETTING, settings, windowUpdate } from '../testing/raw-frames.ts';
import type { Attack, Stage } from './attack.ts';

const { ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, PROTOCOL_ERROR, REFUSED_STREAM } = ErrorCode;
const LARGEST_WINDOW = 0x7fff_ffff;
const MIB = 1_048_576;
/** Both windows of hbone.md §2, what is lent beside them, and a share of garbage. */
const FULL_WINDOWS_BYTES = 48 * MIB;
const CHUNK = Buffer.alloc(16_384, 'h');
const ONE_OCTET_TURNS = 50;
/** As many as a client may open before it has heard of a limit, and the neighbour stream. */
const STARVED_STREAMS = 90;
/** More than is earned by what leaves before the windows are shut: a window of the connection, several times over. */
const DRIBBLES = 50_000;
/** What is read of an application at once, and kept while its stream takes an octet of it. */
const READ_BYTES = 65_536;
/** hbone.md §2 */
const MAX_STREAMS = 200;
const REQUESTED_STREAMS = 1000;
/** What may be sent before the window of a stream must be used up, whatever the kernels' buffers take. */
const BEYOND_STREAM_BYTES = 24 * MIB;

/** Sends on all targets in turn as much as the windows allow until they stay shut. */
async function fill(stage: Stage): Promise<void> {
  const { peer, targets } = stage;
  for (let quiet = 0; quiet < 3 && peer.end === 'open'; ) {
    let sent = false;
    for (const id of targets) {
      const bytes = Math.min(CHUNK.length, peer.window(id));
      // Something is left for the neighbour stream, which pays its own way from then on.
      if (bytes <= 0) continue;
      sent = true;
      await peer.sendData(id, CHUNK.subarray(0, bytes));
    }
    quiet = sent ? 0 : quiet + 1;
    if (!sent) await stage.neighbour();
  }
}

function hog(targets: number): Attack {
  return {
    name: `${targets} stalled streams hog the window of the connection`,
    server: 'survives',
    client: 'survives',
    application: 'stall',
    targets,
    heldBytes: FULL_WINDOWS_BYTES,
    run: fill,
  };
}

/** All streams have more to send than the nothing that their windows take; but for the neighbour stream's. */
async function starve({ peer }: Stage): Promise<void> {
  await peer.send(settings([SETTING.INITIAL_WINDOW_SIZE, 0]), windowUpdate(1, MIB), windowUpdate(0, MIB));
}

/** Windows that open octet by octet: a frame of some ten octets makes us read, and send, one. CVE-2019-9511 */
const dribbles: readonly Attack[] = [
  {
    name: 'SETTINGS that open 90 windows octet by octet',
    unit: (index: number) => settings([SETTING.INITIAL_WINDOW_SIZE, index + 1]),
  },
  {
    name: '90 windows that open octet by octet',
    unit: (index: number, { targets }: Stage) => windowUpdate(targets[index % targets.length]!, 1),
  },
  {
    name: 'the window of the connection opens octet by octet, with 90 shut streams',
    unit: () => windowUpdate(0, 1),
  },
].map(({ name, unit }) => ({
  name,
  server: ENHANCE_YOUR_CALM,
  client: ENHANCE_YOUR_CALM,
  application: 'source',
  targets: STARVED_STREAMS,
  run: async (stage) => {
    await starve(stage);
    await stage.peer.flood(DRIBBLES * stage.factor, (index) => unit(index, stage));
  },
}));

/** Attacks by flow control. RFC 9113 5.2, 6.9 */
export const WINDOW_ATTACKS: readonly Attack[] = [
  {
    name: 'WINDOW_UPDATE of 0 on a stream',
    server: { reset: PROTOCOL_ERROR },
    client: { reset: PROTOCOL_ERROR },
    run: async ({ peer, target }) => void (await peer.send(windowUpdate(target, 0))),
  },
  {
    name: 'WINDOW_UPDATE of 0 on the connection',
    server: PROTOCOL_ERROR,
    client: PROTOCOL_ERROR,
    run: async ({ peer }) => void (await peer.send(windowUpdate(0, 0))),
  },
  {
    name: 'window overflow of a stream',
    server: { reset: FLOW_CONTROL_ERROR },
    client: { reset: FLOW_CONTROL_ERROR },
    run: async ({ peer, target }) => void (await peer.send(windowUpdate(target, LARGEST_WINDOW))),
  },
  {
    name: 'window overflow of the connection (CVE-2026-21714)',
    server: FLOW_CONTROL_ERROR,
    client: FLOW_CONTROL_ERROR,
    run: async ({ peer }) => void (await peer.send(windowUpdate(0, LARGEST_WINDOW))),
  },
  {
    name: 'window overflow by SETTINGS',
    server: FLOW_CONTROL_ERROR,
    client: FLOW_CONTROL_ERROR,
    run: async ({ peer, target }) => {
      await peer.send(windowUpdate(target, 1_000_000_000), settings([SETTING.INITIAL_WINDOW_SIZE, 2_000_000_000]));
    },
  },
  {
    name: 'INITIAL_WINDOW_SIZE beyond the largest window',
    server: FLOW_CONTROL_ERROR,
    client: FLOW_CONTROL_ERROR,
    run: async ({ peer }) => void (await peer.send(settings([SETTING.INITIAL_WINDOW_SIZE, 2 ** 31]))),
  },
  {
    name: 'DATA beyond the window of a stream',
    server: { reset: FLOW_CONTROL_ERROR },
    client: { reset: FLOW_CONTROL_ERROR },
    application: 'stall',
    run: async ({ peer, target }) => {
      for (let bytes = 0; bytes < BEYOND_STREAM_BYTES && !peer.resets.has(target); bytes += CHUNK.length)
        await peer.sendData(target, CHUNK);
    },
  },
  {
    name: 'DATA beyond the window of the connection',
    server: FLOW_CONTROL_ERROR,
    client: FLOW_CONTROL_ERROR,
    application: 'stall',
    targets: 24,
    heldBytes: FULL_WINDOWS_BYTES,
    run: async ({ peer, targets }) => {
      while (peer.end === 'open' && peer.goaways.length === 0)
        for (const id of targets) await peer.send(data(id, CHUNK));
    },
  },
  hog(1),
  hog(4),
  {
    name: 'zero window for ever on 1000 requested streams (CVE-2019-9517)',
    server: { reset: REFUSED_STREAM },
    answers: MAX_STREAMS,
    application: 'source',
    run: async (stage) => {
      const { peer } = stage;
      await peer.send(settings([SETTING.INITIAL_WINDOW_SIZE, 0]), windowUpdate(1, MIB));
      let id = 0;
      await peer.flood(REQUESTED_STREAMS, () => {
        id = stage.fresh();
        return headers(id, stage.message());
      });
      stage.watch(id);
      await peer.until(() => peer.blocks.size === MAX_STREAMS, 'answers');
    },
  },
  {
    name: 'zero window for ever on every stream',
    client: 'survives',
    application: 'source',
    targets: 90,
    run: async ({ peer }) => {
      await peer.send(settings([SETTING.INITIAL_WINDOW_SIZE, 0]), windowUpdate(1, MIB));
    },
  },
  ...dribbles,
  {
    name: 'SETTINGS that open 90 windows octet by octet, one a round trip',
    server: 'survives',
    client: 'survives',
    application: 'source',
    targets: STARVED_STREAMS,
    heldBytes: STARVED_STREAMS * READ_BYTES + 8 * MIB,
    run: async (stage) => {
      await starve(stage);
      for (let turn = 1; turn <= ONE_OCTET_TURNS; turn++) {
        await stage.peer.send(settings([SETTING.INITIAL_WINDOW_SIZE, turn]));
        await stage.neighbour();
      }
    },
  },
  {
    name: 'windows of one octet (CVE-2019-9511)',
    server: 'survives',
    client: 'survives',
    application: 'source',
    run: async (stage) => {
      const { peer, target } = stage;
      await peer.send(settings([SETTING.INITIAL_WINDOW_SIZE, 0]), windowUpdate(1, MIB));
      for (let turn = 0; turn < ONE_OCTET_TURNS; turn++) {
        await peer.send(windowUpdate(target, 1));
        await stage.neighbour();
      }
    },
  },
];
