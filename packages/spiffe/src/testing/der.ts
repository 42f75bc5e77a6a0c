const LONG_LENGTH = 0x80;

/** DER of one element; the length is minimal. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  return derOf(tag, Buffer.concat(parts));
}

/** DER of one element with this content. */
export function derOf(tag: number, content: Uint8Array): Buffer {
  const length: number[] = [];
  for (let rest = content.length; rest > 0; rest = Math.floor(rest / 256)) length.unshift(rest % 256);
  const head = content.length < LONG_LENGTH ? [content.length] : [LONG_LENGTH + length.length, ...length];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

/** A SEQUENCE. */
export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, ...parts);
}

/** An OBJECT IDENTIFIER, from dotted text. */
export function oid(dotted: string): Buffer {
  const [root = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [root * 40 + second, ...rest].flatMap((arc) => {
    const groups: number[] = [];
    for (let left = arc; left > 0 || groups.length === 0; left = Math.floor(left / 128))
      groups.unshift((left % 128) | (groups.length > 0 ? 0x80 : 0));
    return groups;
  });
  return der(0x06, Buffer.from(bytes));
}

/** A BIT STRING of whole bytes. */
export function bits(bytes: Uint8Array): Buffer {
  return der(0x03, Buffer.from([0]), bytes);
}

/** An INTEGER of these content bytes. */
export function integer(...content: readonly number[]): Buffer {
  return der(0x02, Buffer.from(content));
}

/** A GeneralizedTime. */
export function time(epochMs: number): Buffer {
  const text = new Date(epochMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(text));
}

/** PEM text of DER bytes. */
export function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
