// A day's work with @alpacahq/alpaca-trade-api 4, unmodified. Its client has no address of its own to set:
// `fetchApi`, one of its options, sends what is meant for Alpaca to the exchange; the streams take a url.
const assert = require("node:assert");
const { Alpaca, streaming } = require("@alpacahq/alpaca-trade-api");

const exchange = JSON.parse(process.env.EXCHANGE);
const keys = { keyId: exchange.key, secret: exchange.secret };
const toExchange = (url, init) => fetch(url.replace(/^https:\/\/[^/]+/, exchange.rest), init);
const alpaca = new Alpaca({ ...keys, fetchApi: toExchange });
const stream = new streaming.StockDataStream({ credentials: keys, url: exchange.stream });
const updates = new streaming.TradingStream({ credentials: keys, url: exchange.trades });
const once = (register) => new Promise((resolve) => register(resolve));

async function main() {
  stream.onError((error) => assert.fail(`stream: ${error}`));
  updates.onError((error) => assert.fail(`updates: ${error}`));
  stream.onConnect(() => stream.subscribeForBars(["SPY"]));
  const listens = once((resolve) => updates.onConnect(() => resolve(updates.subscribeTradeUpdates())));
  const barComes = once((resolve) => stream.onBar(resolve));
  const fillComes = once((resolve) => updates.onTradeUpdate((update) => update.event === "fill" && resolve(update)));
  stream.connect();
  updates.connect();

  const account = await alpaca.trading.account.getAccount();
  assert(Number(account.cash) > 0, JSON.stringify(account));
  console.log("account");

  const clock = await alpaca.trading.clock.legacyClock();
  assert(clock.isOpen && clock.nextClose > clock.timestamp, JSON.stringify(clock));
  console.log("clock");

  const bar = await barComes;
  assert(bar.symbol === "SPY" && bar.low <= bar.close && bar.close <= bar.high, JSON.stringify(bar));
  console.log("streamed bar");

  await listens;
  const order = await alpaca.trading.orders.market({ symbol: "SPY", qty: 2, side: "buy", clientOrderId: "bought" });
  console.log("market order");

  const fill = await fillComes;
  assert(fill.order.id === order.id && Number(fill.qty) === 2 && Number(fill.price) > 0, JSON.stringify(fill));
  console.log("fill");

  const found = await alpaca.trading.orders.getOrderByClientOrderId({ clientOrderId: "bought" });
  assert(found.id === order.id && found.status === "filled", JSON.stringify(found));
  console.log("lookup");

  const waiting = await alpaca.trading.orders.limit({ symbol: "SPY", qty: 1, side: "buy", limitPrice: 1 });
  await alpaca.trading.orders.deleteOrderByOrderID({ orderId: waiting.id });
  const cancelled = await alpaca.trading.orders.getOrderByOrderID({ orderId: waiting.id });
  assert(cancelled.status === "canceled", JSON.stringify(cancelled));
  console.log("cancelled");

  const past = await alpaca.marketData.getStockBarsFor("SPY", { timeframe: "1Min", limit: 50 });
  assert(past.length > 0 && past[0].close > 0, JSON.stringify(past));
  console.log("history");
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
