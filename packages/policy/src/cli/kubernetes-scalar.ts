const TRUE_TEXTS: readonly string[] = ['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'];
const FALSE_TEXTS: readonly string[] = ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'];

/**
 * What Kubernetes takes a text without quotes for: `value` is what YAML 1.2 does. Its reader is one of YAML 1.1: `yes`,
 * `on` and `n` are booleans, `010` and `1_000` numbers; but times and numbers of base 60 (`12:30`) are text.
 * @see https://github.com/kubernetes-sigs/yaml/blob/master/goyaml.v2/resolve.go
 */
export function readKubernetesScalar(text: string, value: unknown): unknown {
  if (TRUE_TEXTS.includes(text)) return true;
  if (FALSE_TEXTS.includes(text)) return false;
  return /^[-+\d]/.test(text) ? (readNumber(text.replaceAll('_', '')) ?? readInfinity(text, value)) : value;
}

function readNumber(text: string): number | undefined {
  const [, sign = '', prefix, digits = ''] =
    /^([-+]?)(0[xX](?=[\da-fA-F]+$)|0[bB](?=[01]+$)|0[oO]?(?=[0-7]+$))(.*)$/.exec(text) ?? [];
  if (prefix !== undefined) {
    const base = BASES[prefix.toLowerCase()] ?? 8;
    return (sign === '-' ? -1 : 1) * Number.parseInt(digits, base);
  }
  return /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/.test(text) ? Number(text) : undefined;
}

const BASES: Readonly<Record<string, number>> = { '0x': 16, '0b': 2 };

function readInfinity(text: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? value : text;
}
