// Numbers and times as people read them. Market time is New York's.
const HOURS = new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", hour: "2-digit", minute: "2-digit" });
const MOMENT = new Intl.DateTimeFormat("en-GB", {
  timeZone: "America/New_York", weekday: "short", day: "numeric", month: "short",
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const MONEY = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const SIGNED = new Intl.NumberFormat("en-US", {
  minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero",
});
const PRICE = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
const SHARES = new Intl.NumberFormat("en-US", { maximumFractionDigits: 9 });

const minus = (text) => text.replace("-", "−");

export const clock = (seconds) => HOURS.format(seconds * 1000);
export const clockOf = (rfc3339) => HOURS.format(new Date(rfc3339));
export const moment = (milliseconds) => MOMENT.format(milliseconds);
export const cents = (dollars) => minus(MONEY.format(dollars));
export const signed = (dollars) => minus(SIGNED.format(dollars));
export const price = (dollars) => PRICE.format(dollars);
export const shares = (quantity) => minus(SHARES.format(quantity));
export const signOf = (value) => (value > 0 ? "up" : value < 0 ? "down" : "");
