import { FRAME_HEADER_BYTES, readUint24 } from '../core/frame.ts';
import type { Random } from './random.ts';

/** How the inputs of a target are made up: parts that can be moved about, and how to mend a part that was changed. */
export interface Grammar {
  cut(input: Uint8Array): Uint8Array[];
  /** Makes the part's length say what it is. */
  mend(part: Buffer): Buffer;
}

const MAX_INPUT_BYTES = 4096;
const MAX_STEPS = 6;
const MAX_PIECE_BYTES = 32;
const INTERESTING = [
  0, 1, 2, 4, 5, 8, 9, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbe, 0xc0, 0xfe, 0xff,
] as const;

/** A few random changes to an input; `other` lends parts. */
export function mutate(input: Uint8Array, other: Uint8Array, grammar: Grammar, random: Random): Buffer {
  let result: Buffer = Buffer.from(input);
  for (let steps = 1 + random.below(MAX_STEPS); steps > 0; steps--)
    result = random.below(2) === 0 ? mutateBytes(result, random) : mutateParts(result, other, grammar, random);
  return result.subarray(0, MAX_INPUT_BYTES);
}

function mutateBytes(input: Buffer, random: Random): Buffer {
  const at = random.below(input.length + 1);
  const piece = 1 + random.below(MAX_PIECE_BYTES);
  switch (random.below(6)) {
    case 0:
      input[at] = random.below(256);
      return input;
    case 1:
      input[at] = random.pick(INTERESTING);
      return input;
    case 2:
      input[at] = (input[at] ?? 0) ^ (1 << random.below(8));
      return input;
    case 3:
      input[at] = (input[at] ?? 0) + random.below(9) - 4;
      return input;
    case 4:
      return Buffer.concat([input.subarray(0, at), input.subarray(at + piece)]);
    default:
      return Buffer.concat([input.subarray(0, at), Buffer.alloc(piece, random.below(256)), input.subarray(at)]);
  }
}

function mutateParts(input: Buffer, other: Uint8Array, grammar: Grammar, random: Random): Buffer {
  const [head = Buffer.alloc(0), ...parts] = grammar.cut(input);
  const at = random.below(parts.length + 1);
  const part = Buffer.from(parts[at] ?? []);
  const lent = grammar.cut(other).slice(1);
  switch (random.below(6)) {
    case 0:
      parts.splice(at, 1 + random.below(3));
      break;
    case 1:
      parts.splice(at, 0, part);
      break;
    case 2:
      parts.splice(random.below(parts.length + 1), 0, ...parts.splice(at, 1));
      break;
    case 3:
      parts.splice(at, 0, ...lent.slice(0, random.below(lent.length + 1)));
      break;
    case 4:
      if (lent.length > 0) parts.splice(at, random.below(2), random.pick(lent));
      break;
    default:
      parts.splice(at, 1, grammar.mend(mutateBytes(part, random)));
  }
  return Buffer.concat([head, ...parts]);
}

/** Frames behind `prefixBytes` of other things. */
export function frameGrammar(prefixBytes: number): Grammar {
  return {
    cut(input) {
      const parts = [input.subarray(0, prefixBytes)];
      for (let at = prefixBytes; at < input.length; ) {
        const whole = at + FRAME_HEADER_BYTES <= input.length;
        const end = whole ? at + FRAME_HEADER_BYTES + readUint24(input, at) : input.length;
        parts.push(input.subarray(at, end));
        at = end;
      }
      return parts;
    },
    mend(part) {
      if (part.length >= FRAME_HEADER_BYTES) part.writeUIntBE(part.length - FRAME_HEADER_BYTES, 0, 3);
      return part;
    },
  };
}

/** Parts of `bytes` octets behind one octet. */
export function recordGrammar(bytes: number): Grammar {
  return {
    cut(input) {
      const parts = [input.subarray(0, 1)];
      for (let at = 1; at < input.length; at += bytes) parts.push(input.subarray(at, at + bytes));
      return parts;
    },
    mend: (part) => part,
  };
}

/** Parts behind one octet, each with its length in front. */
export const blockGrammar: Grammar = {
  cut(input) {
    const parts = [input.subarray(0, 1)];
    for (let at = 1; at < input.length; ) {
      const end = at + 1 + input[at]!;
      parts.push(input.subarray(at, end));
      at = end;
    }
    return parts;
  },
  mend(part) {
    if (part.length > 0) part[0] = Math.min(255, part.length - 1);
    return part.subarray(0, 256);
  },
};
