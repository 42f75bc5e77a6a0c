import type { Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import { CLIENT_PREFACE, Flag, FrameType } from '../core/frame.ts';
import {
  block,
  CONNECT,
  data,
  frame,
  GET,
  goaway,
  headers,
  OK,
  reset,
  settings as settingsFrame,
  windowUpdate,
} from '../core/testing/frames.ts';
import { Behaviour } from './codec-user.ts';
import { buildSettings } from './frames.ts';

const STREAMS = [1, 3, 5, 7, 9, 11, 13, 15];
const INITIAL_WINDOW_SIZE = 4;

const { SMALL, GREETED, DRAINS, CREDITS_INSIDE, HOARDS, SENDS, RESETS_INSIDE, LEAVES } = Behaviour;
const cancel = (id: number) => reset(id, ErrorCode.CANCEL);
const ping = (flags = 0) => frame(FrameType.PING, flags, 0, '0102030405060708');
const settings = (...pairs: [number, number][]) => settingsFrame(buildSettings(pairs));
const repeat = (count: number, ...frames: Buffer[]) => Array.from({ length: count }, () => frames).flat();

interface FrameSeed {
  readonly behaviour: number;
  readonly frames: readonly Uint8Array[];
}

/** Attacks that look the same from either side; `opened` is what makes streams 1, 3 and 5 exist. */
function buildCommon(opened: readonly Buffer[]): Record<string, FrameSeed> {
  return {
    'continuation-flood': {
      behaviour: GREETED,
      frames: [
        frame(FrameType.HEADERS, 0, 1, block(OK)),
        ...repeat(18, frame(FrameType.CONTINUATION, 0, 1)),
        ...repeat(3, frame(FrameType.CONTINUATION, 0, 1, block(OK))),
      ],
    },
    'control-flood-unread': {
      behaviour: SMALL | GREETED,
      frames: [...repeat(60, ping()), ...repeat(60, settings()), ...opened],
    },
    'useless-frames': {
      behaviour: GREETED | DRAINS,
      frames: [
        ...opened,
        ...repeat(12, data(1, '')),
        ...repeat(12, data(1, '0000', Flag.PADDED)),
        ...repeat(12, frame(FrameType.PRIORITY, 0, 1, '0000000010')),
        ...repeat(12, frame(0xbe, 0xff, 1, '00')),
        ...repeat(12, windowUpdate(1, 1), windowUpdate(0, 1)),
      ],
    },
    windows: {
      behaviour: SMALL | GREETED | SENDS | CREDITS_INSIDE,
      frames: [
        settings([INITIAL_WINDOW_SIZE, 0]),
        ...opened,
        settings([INITIAL_WINDOW_SIZE, 3]),
        windowUpdate(3, 5),
        settings([INITIAL_WINDOW_SIZE, 0x7fff_ffff]),
        windowUpdate(1, 0),
        windowUpdate(3, 0x7fff_ffff),
        windowUpdate(0, 0x7fff_0000),
        data(1, '00'.repeat(1500)),
        windowUpdate(0, 0x7fff_ffff),
      ],
    },
    'window-updates': { behaviour: SMALL | GREETED | DRAINS, frames: [...opened, ...repeat(12, windowUpdate(0, 1))] },
    'window-exceeded': {
      behaviour: SMALL | GREETED | HOARDS,
      frames: [...opened, ...repeat(3, data(1, '00'.repeat(990)))],
    },
    ...buildMalformed(opened),
  };
}

/** Frames of wrong lengths, in wrong states and on wrong streams. */
function buildMalformed(opened: readonly Buffer[]): Record<string, FrameSeed> {
  return {
    lengths: {
      behaviour: GREETED | DRAINS,
      frames: [
        ...opened,
        frame(FrameType.PRIORITY, 0, 1, '00'),
        frame(FrameType.SETTINGS, 0, 0, '0001'),
        frame(FrameType.PING, 0, 0, '00'),
        frame(FrameType.RST_STREAM, 0, 1, '00'),
        frame(FrameType.GOAWAY, 0, 0, '00'),
        frame(FrameType.WINDOW_UPDATE, 0, 1, '00'),
        Buffer.from('ffffff000000000001', 'hex'),
      ],
    },
    states: {
      behaviour: GREETED | CREDITS_INSIDE,
      frames: [
        ...opened,
        data(1, '61', Flag.END_STREAM),
        data(1, '62'),
        cancel(3),
        data(3, '63'),
        headers(3, OK),
        cancel(3),
        windowUpdate(3, 1),
        data(5, '64', Flag.END_STREAM),
        ping(Flag.ACK),
        frame(FrameType.SETTINGS, Flag.ACK, 0),
      ],
    },
    goaway: {
      behaviour: GREETED | LEAVES | SENDS,
      frames: [...opened, goaway(3, ErrorCode.NO_ERROR), data(1, '6162'), goaway(1, ErrorCode.CANCEL), ping()],
    },
    padding: {
      behaviour: GREETED | RESETS_INSIDE | SENDS,
      frames: [...opened, data(1, '03616263000000', Flag.PADDED), data(3, 'ff6162', Flag.PADDED)],
    },
    'on-stream-0': { behaviour: GREETED, frames: [...opened, data(0, '61')] },
    'push-promise': { behaviour: GREETED, frames: [frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, 1, '00000002')] },
  };
}

function buildServer(): Record<string, FrameSeed> {
  const opened = [1, 3, 5].map((id) => headers(id, CONNECT));
  const malformed: Fields[] = [
    [[':method', 'CONNECT']],
    [...CONNECT, [':path', '/']],
    [...CONNECT, ['connection', 'close']],
    [...CONNECT, ['te', 'gzip']],
    [...CONNECT, ['Upper', 'case']],
    [...CONNECT, ['x', 'a\r\nb']],
  ];
  return {
    ...buildCommon(opened),
    'no-preface': { behaviour: 0, frames: [Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')] },
    'no-settings': { behaviour: 0, frames: [CLIENT_PREFACE, ping()] },
    'rapid-reset': {
      behaviour: GREETED | DRAINS,
      frames: STREAMS.flatMap((id) => [headers(id, CONNECT), cancel(id)]),
    },
    'made-you-reset': {
      behaviour: GREETED | DRAINS,
      frames: STREAMS.flatMap((id) => [headers(id, CONNECT), windowUpdate(id, 0), windowUpdate(id, 1)]),
    },
    'too-many-streams': { behaviour: SMALL | GREETED, frames: STREAMS.map((id) => headers(id, CONNECT)) },
    malformed: { behaviour: GREETED, frames: malformed.map((fields, at) => headers(2 * at + 1, fields)) },
    'list-too-large': {
      behaviour: SMALL | GREETED,
      frames: [headers(1, [...CONNECT, ['x', 'y'.repeat(400)]]), ...opened.slice(1)],
    },
    ids: { behaviour: GREETED, frames: [headers(9, CONNECT), headers(3, CONNECT), headers(2, CONNECT)] },
    'provoked-resets': {
      behaviour: SMALL | GREETED | DRAINS,
      frames: STREAMS.map((id) => headers(id, malformed[0]!)),
    },
    'content-length': {
      behaviour: GREETED | CREDITS_INSIDE,
      frames: [
        ...[1, 3, 5].map((id) => headers(id, [...GET, ['content-length', '3']])),
        data(1, '616263', Flag.END_STREAM),
        data(3, '6162', Flag.END_STREAM),
        data(5, '61626364'),
      ],
    },
    trailers: {
      behaviour: GREETED | CREDITS_INSIDE,
      frames: [
        headers(1, GET),
        data(1, '61'),
        headers(1, [['x', 'y']], Flag.END_STREAM),
        headers(3, CONNECT, Flag.END_STREAM | Flag.PRIORITY),
      ],
    },
  };
}

function buildClient(): Record<string, FrameSeed> {
  const opened = [1, 3, 5].map((id) => headers(id, OK));
  return {
    ...buildCommon(opened),
    responses: {
      behaviour: GREETED | SENDS,
      frames: [
        headers(1, [[':status', '103']]),
        headers(1, [[':status', '401']], Flag.END_STREAM),
        headers(3, [[':status', '101']]),
        headers(5, [[':status', '20']]),
        settings(),
        headers(7, OK),
        headers(7, [['x', 'y']], Flag.END_STREAM),
      ],
    },
    'content-length': {
      behaviour: GREETED | CREDITS_INSIDE,
      frames: [
        ...[1, 3, 5].map((id) =>
          headers(id, [
            [':status', '404'],
            ['content-length', '3'],
          ]),
        ),
        data(1, '616263', Flag.END_STREAM),
        data(3, '6162', Flag.END_STREAM),
        data(5, '61626364'),
      ],
    },
    'data-before-response': { behaviour: GREETED, frames: [data(1, '61'), headers(1, OK)] },
    'server-opens': { behaviour: GREETED, frames: [headers(2, OK)] },
    'settings-values': {
      behaviour: GREETED,
      frames: [settings([3, 0], [1, 0], [1, 9999], [5, 16_384], [8, 1], [6, 1]), settings([2, 1])],
    },
  };
}

const HPACK: Readonly<Record<string, string>> = {
  // RFC 7541 C.4: three requests with Huffman code and table
  'rfc7541-c4':
    'fe 11 828684418cf1e3c2e5f23a6ba0ab90f4ff 0c 828684be5886a8eb10649cbf 18 828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
  bomb: `ff 28 40017820${'61'.repeat(32)}${'be'.repeat(4)} 40 ${'be'.repeat(64)}`,
  churn: 'fe 10 3fe11f4001610162400163016420be3f0e 08 203fe11f40016101',
  'endless-integer': 'fe 08 ff80808080808001',
  'bad-huffman': 'fe 06 4084ffffffff',
  'never-indexed': 'fe 08 10016101621f04aa',
  'late-size-update': 'fe 02 8220',
  'index-0': 'fe 01 80',
};

const HUFFMAN: Readonly<Record<string, string>> = {
  authority: 'f1e3c2e5f23a6ba0ab90f4ff',
  eos: 'ffffffff',
  'long-codes': 'fffffffafffffff3',
  text: Buffer.from('k8s.namespace.name=default').toString('hex'),
};

/** Actions of two users, three octets each. See `fuzzSession`. */
const SESSION: Readonly<Record<string, string>> = {
  requests: '00 000000 0d00ff 8d00ff 820000 8d00ff 0d00ff 0400ff 1400ff 8d00ff 94 00ff 0d00ff',
  'small-windows':
    '05 000000 8d00ff 820000 0d00ff 0400ff 0400ff 8d00ff 8900ff 8d00ff 0d00ff 8400ff 0d00ff 8d00ff 0700ff',
  crowded:
    '0a 000000 000000 000100 8d00ff 820000 820000 820000 0d00ff 0d00ff 0400ff 0401ff 0402ff 8d00ff 890040 0d00ff',
  resets: '04 000000 000000 8d00ff 820000 0d00ff 0400ff 080000 8400ff 8d00ff 0d00ff 880000',
  drain: '00 000000 8d00ff 820000 8a0010 000000 8d00ff 0d00ff 8a0050 0d00ff 0a0000 8d00ff',
  settings: '01 000000 0b0000 8d00ff 8b0000 820000 0d00ff 0400ff 0b00ff 0d0010 0400ff 8d00ff',
};

function fromHex(texts: Readonly<Record<string, string>>): Map<string, Buffer> {
  return new Map(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text.replaceAll(' ', ''), 'hex')]));
}

function fromFrames(seeds: Record<string, FrameSeed>): Map<string, Buffer> {
  return new Map(
    Object.entries(seeds).map(([name, { behaviour, frames }]) => [
      name,
      Buffer.concat([Buffer.from([behaviour, name.length]), ...frames]),
    ]),
  );
}

/** Inputs by target and name: one for each class of attack, and one for each thing that is hard to come by by chance. */
export function buildAttackSeeds(): ReadonlyMap<string, ReadonlyMap<string, Buffer>> {
  return new Map([
    ['server', fromFrames(buildServer())],
    ['client', fromFrames(buildClient())],
    ['hpack', fromHex(HPACK)],
    ['huffman', fromHex(HUFFMAN)],
    ['session', fromHex(SESSION)],
  ]);
}
