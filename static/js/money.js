// @ts-check
// Money as people read it, exact underneath: USD strings become whole pico-USD.

const PICO = 1_000_000_000_000n;

/** Return pico-USD of the API's string, null for none (unpriced). */
export function picoOf(usd) {
  if (usd === null || usd === undefined || usd === "") return null;
  const [whole, fraction = ""] = usd.split(".");
  return BigInt(whole) * PICO + BigInt(fraction.padEnd(12, "0").slice(0, 12));
}

/** Return the API's string of an amount: exact, at least two decimals. */
export function usdOf(pico) {
  const fraction = (pico % PICO).toString().padStart(12, "0").replace(/0+$/, "").padEnd(2, "0");
  return `${pico / PICO}.${fraction}`;
}

const CENTS = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
const BELOW_A_DOLLAR = { minimumFractionDigits: 2, maximumFractionDigits: 4 };
const SMALLEST = PICO / 10_000n;

/** Return what is shown: cents; below one dollar up to four decimals, without trailing zeros.
 *  billing/texts/money.py gives the same text; sessions/tests/support/amounts.py has examples for both. */
export function moneyText(pico) {
  if (pico === null) return "unpriced";
  if (pico > 0n && pico < SMALLEST) return "<$0.0001";
  const usd = Number(pico) / 1e12;
  return `$${usd.toLocaleString("en-US", usd >= 1 ? CENTS : BELOW_A_DOLLAR)}`;
}

/** Show an amount in an element, the exact one in its title. */
export function showMoney(element, pico, before = "") {
  element.textContent = before + moneyText(pico);
  if (pico === null) element.removeAttribute("title");
  else element.title = `${usdOf(pico)} USD`;
}
