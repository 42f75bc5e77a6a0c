/**
 * Code length in bits of each octet and of EOS, one base-36 digit a symbol. The code of RFC 7541 appendix B is canonical:
 * sorted by length, then by symbol, codes count upwards, so the lengths are the whole table.
 */
const CODE_LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu';
const RADIX = 36;
const EOS = 256;
const SYMBOLS = 257;
const STATES = 256;
const OCTETS = 256;
/** Padding is at most 7 bits of the EOS code, which is all ones (RFC 7541 5.2). */
const MAX_PADDING_BITS = 7;
/** Of the codes of octets; EOS has as many. */
const MAX_CODE_BITS = 30;
const MIN_CODE_BITS = 5;

/** A step is the next state, up to two octets to emit, their number, and this. No code is shorter than 5 bits. */
const FAIL = 0x400_0000;
const COUNT_SHIFT = 24;

/** With up to 7 bits that wait for the rest of their octet, a code of this length still fits 32. */
const MAX_WHOLE_BITS = 25;

/** Texts that may be longer than this are decoded into memory of their own. */
const SCRATCH_BYTES = 4096;

interface Code {
  readonly codes: Uint32Array;
  readonly lengths: Uint8Array;
}

interface Machine {
  readonly children: Int32Array;
  /**
   * The step for state * 256 + octet; 0, which no step is: not known yet. Twice as fast as one for every 4 bits, but
   * 256 KiB, of which texts use a small part: all at once would take 8 ms.
   */
  readonly steps: Int32Array;
  /** 1 for the states in which a string may end. */
  readonly accepting: Uint8Array;
  readonly scratch: Buffer;
}

let code: Code | undefined;
let machine: Machine | undefined;

function buildCode(): Code {
  const lengths = Uint8Array.from(CODE_LENGTHS, (digit) => Number.parseInt(digit, RADIX));
  const codes = new Uint32Array(SYMBOLS);
  const order = [...lengths.keys()].toSorted((a, b) => lengths[a]! - lengths[b]! || a - b);
  let next = 0;
  let previous = lengths[order[0]!]!;
  for (const symbol of order) {
    next = (next << (lengths[symbol]! - previous)) >>> 0;
    previous = lengths[symbol]!;
    codes[symbol] = next++;
  }
  return { codes, lengths };
}

/** The code as a binary tree: `children[2 * node + bit]` is a node, or -1 - symbol for a leaf. */
function buildTree({ codes, lengths }: Code): Int32Array {
  const children = new Int32Array(2 * STATES);
  let nodes = 1;
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    let node = 0;
    for (let bit = lengths[symbol]! - 1; bit > 0; bit--) {
      const slot = 2 * node + ((codes[symbol]! >>> bit) & 1);
      if (children[slot] === 0) children[slot] = nodes++;
      node = children[slot]!;
    }
    children[2 * node + (codes[symbol]! & 1)] = -1 - symbol;
  }
  return children;
}

function buildMachine(): Machine {
  code ??= buildCode();
  const children = buildTree(code);
  const accepting = new Uint8Array(STATES);
  let node = 0;
  for (let depth = 0; depth <= MAX_PADDING_BITS; depth++) {
    accepting[node] = 1;
    node = children[2 * node + 1]!;
  }
  return {
    children,
    steps: new Int32Array(STATES * OCTETS),
    accepting,
    scratch: Buffer.allocUnsafeSlow(SCRATCH_BYTES),
  };
}

/** The step of one octet, by the bit. */
function walk({ children, steps }: Machine, from: number, octet: number): number {
  let node = from;
  let emitted = 0;
  let count = 0;
  for (let bit = 7; bit >= 0; bit--) {
    const child = children[2 * node + ((octet >>> bit) & 1)]!;
    if (child === -1 - EOS) {
      steps[(from << 8) | octet] = FAIL;
      return FAIL;
    }
    if (child < 0) emitted |= (-1 - child) << (8 * ++count);
    node = child < 0 ? 0 : child;
  }
  const step = (count << COUNT_SHIFT) | emitted | node;
  steps[(from << 8) | octet] = step;
  return step;
}

/** Characters that `length` octets of code stand for at the least. */
export function leastHuffmanText(length: number): number {
  return Math.ceil((length * 8 - MAX_PADDING_BITS) / MAX_CODE_BITS);
}

/**
 * Decodes `input[start, end)` as latin1 text; undefined when it contains EOS or is not padded with at most 7 bits of it.
 *
 * @see RFC 7541 5.2
 */
export function decodeHuffman(input: Uint8Array, start: number, end: number): string | undefined {
  machine ??= buildMachine();
  const { steps, accepting, scratch } = machine;
  // The step of the last octet writes two, of which it may count none.
  const most = Math.ceil(((end - start) * 8) / MIN_CODE_BITS) + 2;
  const output = most > SCRATCH_BYTES ? Buffer.allocUnsafe(most) : scratch;
  let length = 0;
  let state = 0;
  for (let at = start; at < end; at++) {
    const octet = input[at]!;
    let step = steps[(state << 8) | octet]!;
    if (step === 0) step = walk(machine, state, octet);
    if (step >= FAIL) return undefined;
    output[length] = step >>> 8;
    output[length + 1] = step >>> 16;
    length += step >>> COUNT_SHIFT;
    state = step & 0xff;
  }
  return accepting[state] === 1 ? output.toString('latin1', 0, length) : undefined;
}

/** Octets that `encodeHuffman` writes for latin1 `text`. */
export function huffmanLength(text: string): number {
  code ??= buildCode();
  let bits = 0;
  for (let index = 0; index < text.length; index++) bits += code.lengths[text.charCodeAt(index) & 0xff]!;
  return Math.ceil(bits / 8);
}

/** Writes latin1 `text` at `output[at]`, which must have `huffmanLength(text)` octets of room; answers the end. */
export function encodeHuffman(text: string, output: Uint8Array, at: number): number {
  code ??= buildCode();
  const { codes, lengths } = code;
  let to = at;
  let pending = 0;
  let bits = 0;
  for (let index = 0; index < text.length; index++) {
    const symbol = text.charCodeAt(index) & 0xff;
    let length = lengths[symbol]!;
    if (length > MAX_WHOLE_BITS) {
      // All but the last octet of it first
      pending = (pending << (length - 8)) | (codes[symbol]! >>> 8);
      bits += length - 8;
      for (; bits >= 8; bits -= 8) output[to++] = pending >>> (bits - 8);
      length = 8;
    }
    pending = (pending << length) | (codes[symbol]! & (0xffff_ffff >>> (32 - length)));
    bits += length;
    for (; bits >= 8; bits -= 8) output[to++] = pending >>> (bits - 8);
  }
  if (bits > 0) output[to++] = (pending << (8 - bits)) | (0xff >>> bits);
  return to;
}
