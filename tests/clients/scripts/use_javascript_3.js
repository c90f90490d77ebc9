// A day's work with @alpacahq/alpaca-trade-api 3, unmodified. It insists on wss:// for market data, so the address
// of that socket is assigned after construction.
const assert = require("node:assert");
const Alpaca = require("@alpacahq/alpaca-trade-api");

const exchange = JSON.parse(process.env.EXCHANGE);
const alpaca = new Alpaca({
  keyId: exchange.key, secretKey: exchange.secret, paper: true, baseUrl: exchange.rest, dataBaseUrl: exchange.data,
});
const stream = alpaca.data_stream_v2;
stream.session.url = exchange.stream;
const updates = alpaca.trade_ws;
const once = (register) => new Promise((resolve) => register(resolve));

async function main() {
  stream.onError((error) => assert.fail(`stream: ${error}`));
  updates.onError((error) => assert.fail(`updates: ${error}`));
  stream.onConnect(() => stream.subscribeForBars(["SPY"]));
  const listens = once((resolve) => updates.onConnect(() => resolve(updates.subscribe(["trade_updates"]))));
  const barComes = once((resolve) => stream.onStockBar(resolve));
  const fillComes = once((resolve) => updates.onOrderUpdate((update) => update.event === "fill" && resolve(update)));
  stream.connect();
  updates.connect();

  const account = await alpaca.getAccount();
  assert(Number(account.cash) > 0, JSON.stringify(account));
  console.log("account");

  const clock = await alpaca.getClock();
  assert(clock.is_open && clock.next_close > clock.timestamp, JSON.stringify(clock));
  console.log("clock");

  const bar = await barComes;
  assert(bar.Symbol === "SPY" && bar.LowPrice <= bar.ClosePrice && bar.ClosePrice <= bar.HighPrice, JSON.stringify(bar));
  console.log("streamed bar");

  const bought = { symbol: "SPY", qty: 2, side: "buy", time_in_force: "day" };
  await listens;
  const order = await alpaca.createOrder({ ...bought, type: "market", client_order_id: "bought" });
  console.log("market order");

  const fill = await fillComes;
  assert(fill.order.id === order.id && Number(fill.qty) === 2 && Number(fill.price) > 0, JSON.stringify(fill));
  console.log("fill");

  const found = await alpaca.getOrderByClientId("bought");
  assert(found.id === order.id && found.status === "filled", JSON.stringify(found));
  console.log("lookup");

  const waiting = await alpaca.createOrder({ ...bought, type: "limit", limit_price: 1 });
  await alpaca.cancelOrder(waiting.id);
  const cancelled = await alpaca.getOrder(waiting.id);
  assert(cancelled.status === "canceled", JSON.stringify(cancelled));
  console.log("cancelled");

  const past = [];
  const timeframe = alpaca.newTimeframe(1, alpaca.timeframeUnit.MIN);
  const wanted = { start: clock.timestamp.slice(0, 10), timeframe, limit: 50 };
  for await (const one of alpaca.getBarsV2("SPY", wanted)) past.push(one);
  assert(past.length > 0 && past[0].ClosePrice > 0, JSON.stringify(past));
  console.log("history");
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
