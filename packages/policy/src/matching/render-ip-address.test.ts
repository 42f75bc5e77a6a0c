import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { parseIpAddress } from './ip-address.ts';
import { renderIpAddress } from './render-ip-address.ts';

const render = (text: string): string | undefined => {
  const ip = parseIpAddress(text);
  return ip && renderIpAddress(ip);
};

test.each([
  ['255.0.10.1', '255.0.10.1'],
  ['0:0:0:0:0:0:0:0', '::'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['fd00:0:0:0:0:0:0:0', 'fd00::'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
  ['2001:DB8::10:0:0:1', '2001:db8::10:0:0:1'],
  ['10:0:0:20::', '10:0:0:20::'],
])('%s is %s', (text, rendered) => {
  expect(render(text)).toBe(rendered);
});

test('every address is read back, and as short as another library makes it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const rendered = render(text) ?? '';
      expect(parseIpAddress(rendered)).toEqual(parseIpAddress(text));
      expect(rendered.length).toBeLessThanOrEqual(ipaddr.parse(text).toString().length);
    }),
  );
});
