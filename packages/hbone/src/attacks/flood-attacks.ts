import { ErrorCode } from '../core/error-code.ts';
import {
  connectBlock,
  data,
  FLAG,
  frame,
  goaway,
  headers,
  literal,
  paddedData,
  ping,
  priority,
  rstStream,
  SETTING,
  settings,
  Type,
  windowUpdate,
} from '../testing/raw-frames.ts';
import type { Attack, Stage } from './attack.ts';

const CALM = ErrorCode.ENHANCE_YOUR_CALM;
/** More than what is allowed in a burst, of everything. */
const FLOOD_FRAMES = 15_000;
const RAPID_RESETS = 100_000;
const PROVOKED_RESETS = 5000;
const DENIED_REQUESTS = 5000;
/** Fewer than may be open. */
const DENIED_AT_ONCE = 150;
/** Their answers fill the kernels' buffers and ours, and then the codec's. */
const UNREAD_DENIED_REQUESTS = 400_000;
const OVERFLOW = 0x7fff_ffff;

/** A flood of one frame, made for a stage once, or of several taken in turn. */
interface Flood {
  readonly name: string;
  readonly units: (stage: Stage) => readonly Uint8Array[];
  readonly only?: 'server' | 'client';
}

const MANY_SETTINGS = Array.from(
  { length: 30 },
  (_, index) => [SETTING.INITIAL_WINDOW_SIZE, 1_000_000 + index] as const,
);

const FLOODS: readonly Flood[] = [
  { name: 'SETTINGS flood (CVE-2019-9515)', units: () => [settings()] },
  { name: 'SETTINGS flood, 30 windows each', units: () => [settings(...MANY_SETTINGS)] },
  { name: 'PING flood (CVE-2019-9512)', units: () => [ping()] },
  { name: 'flood of PING answers', units: () => [ping(255, true)] },
  { name: 'WINDOW_UPDATE flood, connection', units: () => [windowUpdate(0, 1)] },
  { name: 'WINDOW_UPDATE flood, stream', units: ({ target }) => [windowUpdate(target, 1)] },
  { name: 'PRIORITY flood (CVE-2019-9513)', units: ({ target }) => [priority(target)] },
  { name: 'PRIORITY flood, idle streams', units: () => [priority(1001), priority(1003)] },
  { name: 'unknown-frame flood', units: () => [frame(Type.UNKNOWN, 0xff, 0, Buffer.alloc(8))] },
  { name: 'ALTSVC flood', units: ({ target }) => [frame(Type.ALTSVC, 0, target, Buffer.alloc(2))] },
  { name: 'empty DATA (CVE-2019-9518)', units: ({ target }) => [data(target, Buffer.alloc(0))] },
  { name: 'padding-only DATA', units: ({ target }) => [paddedData(target, 0)] },
  { name: 'padding-only DATA, 255', units: ({ target }) => [paddedData(target, 255)] },
  { name: 'GOAWAY flood', units: () => [goaway(OVERFLOW, 0)] },
  {
    name: 'flood of mixed useless frames',
    units: ({ target }) => [ping(), priority(target), data(target, Buffer.alloc(0)), settings(), windowUpdate(0, 1)],
  },
  {
    name: 'flood of interim responses',
    only: 'client',
    units: ({ targets }) => [headers(targets.at(-1)!, literal(':status', '103'))],
  },
];

const floods: readonly Attack[] = FLOODS.flatMap(({ name, units, only }) =>
  [false, true].map((unread): Attack => {
    const run = async (stage: Stage): Promise<void> => {
      const frames = units(stage);
      if (unread) stage.peer.stopReading();
      await stage.peer.flood(FLOOD_FRAMES * stage.factor, (index) => frames[index % frames.length]!);
    };
    return {
      name: unread ? `${name}, unread` : name,
      ...(only !== 'client' && { server: CALM }),
      ...(only !== 'server' && { client: CALM }),
      ...(only === 'client' && { unanswered: true }),
      unread,
      run,
    };
  }),
);

/** A request and what makes us reset it. */
const PROVOCATIONS: readonly { readonly name: string; readonly frames: (id: number) => readonly Uint8Array[] }[] = [
  { name: 'WINDOW_UPDATE of 0', frames: (id) => [headers(id, connectBlock('echo:1')), windowUpdate(id, 0)] },
  { name: 'window overflow', frames: (id) => [headers(id, connectBlock('echo:1')), windowUpdate(id, OVERFLOW)] },
  {
    name: 'DATA after END_STREAM',
    frames: (id) => [headers(id, connectBlock('echo:1'), FLAG.END_STREAM), data(id, Buffer.alloc(1))],
  },
  {
    name: 'HEADERS after HEADERS',
    frames: (id) => [headers(id, connectBlock('echo:1')), headers(id, connectBlock('echo:1'))],
  },
  { name: 'bad pseudo-headers', frames: (id) => [headers(id, literal(':nonsense', '1'))] },
  {
    name: 'PRIORITY of a wrong length',
    frames: (id) => [headers(id, connectBlock('echo:1')), frame(Type.PRIORITY, 0, id, Buffer.alloc(4))],
  },
];

const provoked = PROVOCATIONS.map(
  ({ name, frames }): Attack => ({
    name: `MadeYouReset (CVE-2025-8671): ${name}`,
    server: CALM,
    run: (stage) => stage.peer.flood(PROVOKED_RESETS * stage.factor, () => Buffer.concat(frames(stage.fresh()))),
  }),
);

/** Answers that make our client reset its requests, each of which it makes again. */
const PROVOKING_ANSWERS: readonly { readonly name: string; readonly frames: (id: number) => readonly Uint8Array[] }[] =
  [
    { name: 'no :status', frames: (id) => [headers(id, literal('x', '1'))] },
    { name: 'WINDOW_UPDATE of 0', frames: (id) => [windowUpdate(id, 0)] },
    { name: 'window overflow', frames: (id) => [windowUpdate(id, OVERFLOW)] },
    { name: 'DATA before HEADERS', frames: (id) => [data(id, Buffer.alloc(1))] },
    { name: 'PRIORITY of a wrong length', frames: (id) => [frame(Type.PRIORITY, 0, id, Buffer.alloc(4))] },
  ];

async function answerAll({ peer, targets }: Stage, frames: (id: number) => readonly Uint8Array[]): Promise<void> {
  const answer = (id: number): void => void peer.socket.write(Buffer.concat(frames(id)));
  peer.onBlock = answer;
  for (const id of peer.blocks.keys()) if (id > targets.at(-1)!) answer(id);
  await peer.until(() => peer.goaways.length > 0 || peer.end !== 'open', 'the end of the requests');
}

const provokedClients = PROVOKING_ANSWERS.map(
  ({ name, frames }): Attack => ({
    name: `MadeYouReset: ${name} in answer`,
    client: CALM,
    requests: PROVOKED_RESETS,
    run: (stage) => answerAll(stage, frames),
  }),
);

/** Attacks by sheer number. */
export const FLOOD_ATTACKS: readonly Attack[] = [
  {
    name: 'rapid reset (CVE-2023-44487)',
    server: CALM,
    run: (stage) =>
      stage.peer.flood(RAPID_RESETS * stage.factor, () => {
        const id = stage.fresh();
        return Buffer.concat([headers(id, stage.message()), rstStream(id, ErrorCode.CANCEL)]);
      }),
  },
  ...provoked,
  ...provokedClients,
  {
    name: 'requests over the limit, for ever',
    server: CALM,
    application: 'stall',
    run: (stage) => stage.peer.flood(PROVOKED_RESETS, () => headers(stage.fresh(), connectBlock('stall:1'))),
  },
  {
    // Each is answered and forgotten: what an honest client would do whose every request is denied.
    name: 'denied requests',
    server: 'survives',
    run: async (stage) => {
      const { peer } = stage;
      for (let sent = 0; sent < DENIED_REQUESTS; sent += DENIED_AT_ONCE) {
        let last = 0;
        await peer.flood(DENIED_AT_ONCE, () => headers((last = stage.fresh()), connectBlock('denied:1')));
        await peer.until(() => peer.ended.has(last), 'answers');
      }
    },
  },
  {
    // Nothing limits them but the answers that wait: a second of full load, in turns of some ten milliseconds.
    name: 'denied requests, unread',
    server: CALM,
    soakOnly: true,
    stallMs: 500,
    unread: true,
    run: async (stage) => {
      stage.peer.stopReading();
      await stage.peer.flood(UNREAD_DENIED_REQUESTS, () => headers(stage.fresh(), connectBlock('denied:1')));
    },
  },
  {
    name: 'flood of RST_STREAM on a closed stream',
    server: CALM,
    client: CALM,
    run: (stage) => stage.peer.flood(FLOOD_FRAMES * stage.factor, rstStream(stage.target, ErrorCode.CANCEL)),
  },
  {
    name: 'flood of WINDOW_UPDATE on a closed stream',
    server: CALM,
    client: CALM,
    run: async (stage) => {
      await stage.peer.send(rstStream(stage.target, ErrorCode.CANCEL));
      await stage.peer.flood(FLOOD_FRAMES * stage.factor, windowUpdate(stage.target, 1));
    },
  },
  {
    // They pay with the window of the connection, and an honest peer may have as many on the way.
    name: 'DATA on a reset stream',
    server: 'survives',
    client: 'survives',
    run: async (stage) => {
      // An error of ours resets it.
      await stage.peer.send(windowUpdate(stage.target, 0));
      await stage.peer.flood(FLOOD_FRAMES, data(stage.target, Buffer.alloc(1)));
    },
  },
  ...floods,
];
