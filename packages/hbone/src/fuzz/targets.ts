import { FRAME_STREAM_PREFIX_BYTES, fuzzFrameStream } from './frame-stream-target.ts';
import { fuzzHpack, fuzzHuffman } from './hpack-target.ts';
import { blockGrammar, frameGrammar, type Grammar, recordGrammar } from './mutator.ts';
import { ACTION_BYTES, fuzzSession } from './session-target.ts';

/** Takes any input; throws when the code under test broke a promise. */
export type FuzzTarget = (input: Uint8Array) => void;

/** All targets by name; the folders of the corpus have the same names. */
export const TARGETS: Readonly<Record<string, FuzzTarget>> = {
  server: (input) => fuzzFrameStream('server', input),
  client: (input) => fuzzFrameStream('client', input),
  session: fuzzSession,
  hpack: fuzzHpack,
  huffman: fuzzHuffman,
};

/** How the inputs of each target are made up. */
export const GRAMMARS: Readonly<Record<string, Grammar>> = {
  server: frameGrammar(FRAME_STREAM_PREFIX_BYTES),
  client: frameGrammar(FRAME_STREAM_PREFIX_BYTES),
  session: recordGrammar(ACTION_BYTES),
  hpack: blockGrammar,
  huffman: recordGrammar(1),
};
