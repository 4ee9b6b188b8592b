// Drives the stand-in with @azure/service-bus, unmodified, in the official emulator's plain mode.
// Arguments: the connection string. Prints one JSON object of what it saw; a failed step is an exception and exit code 1.
const { ServiceBusClient } = require("@azure/service-bus");
const Long = require("long");

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function one(receiver) {
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 5000 });
  if (!message) throw new Error(`nothing to receive from ${receiver.entityPath}`);
  return message;
}

async function drain(receiver) {
  return (await receiver.receiveMessages(100, { maxWaitTimeInMs: 300 })).map((m) => m.body);
}

async function main() {
  const client = new ServiceBusClient(process.argv[2], { retryOptions: { maxRetries: 1, retryDelayInMs: 50 } });
  const saw = {};
  const sender = client.createSender("requests");
  const receiver = client.createReceiver("requests");

  await sender.sendMessages({ body: { db: "cohort" }, messageId: "js-1", subject: "backup", applicationProperties: { who: "js", n: 7 } });
  const peeked = await receiver.peekMessages(5);
  saw.peek = peeked.map((m) => [m.messageId, m.body.db, m.state]);
  let m = await one(receiver);
  saw.received = [m.messageId, m.subject, m.applicationProperties, m.deliveryCount, m.sequenceNumber.toString()];
  const before = m.lockedUntilUtc.getTime();
  await pause(50);
  saw.renewed = (await receiver.renewMessageLock(m)).getTime() > before;
  await receiver.completeMessage(m);

  await sender.sendMessages([{ body: "no id" }, { body: "array" }]);
  const batch = await sender.createMessageBatch();
  batch.tryAddMessage({ body: "batch" });
  await sender.sendMessages(batch);
  saw.bodies = [];
  for (let i = 0; i < 3; i++) {
    m = await one(receiver);
    saw.bodies.push(m.body);
    await receiver.completeMessage(m);
  }

  await sender.sendMessages({ body: "again" });
  m = await one(receiver);
  await receiver.abandonMessage(m, { why: "busy" });
  m = await one(receiver);
  saw.abandoned = [m.deliveryCount, m.applicationProperties.why];
  await receiver.deadLetterMessage(m, { deadLetterReason: "Bad", deadLetterErrorDescription: "no database", stage: "admit" });
  const dead = client.createReceiver("requests", { subQueueType: "deadLetter" });
  m = await one(dead);
  saw.dead = [m.body, m.deadLetterReason, m.deadLetterErrorDescription, m.deadLetterSource, m.applicationProperties.stage];
  await dead.completeMessage(m);

  await sender.sendMessages({ body: "later" });
  m = await one(receiver);
  await receiver.deferMessage(m);
  const [deferred] = await receiver.receiveDeferredMessages(m.sequenceNumber);
  saw.deferred = deferred.body;
  await receiver.completeMessage(deferred);

  const [soon, never] = await sender.scheduleMessages([{ body: "soon" }, { body: "never" }], new Date(Date.now() + 400));
  await sender.cancelScheduledMessages(never);
  saw.scheduled = Long.isLong(soon) && (await receiver.peekMessages(5, { fromSequenceNumber: Long.ONE })).map((p) => [p.body, p.state]);
  m = await one(receiver);
  saw.cameDue = m.body;
  await receiver.completeMessage(m);

  const events = client.createSender("backup-events");
  for (const kind of ["backup.completed", "backup.failed", "drill.passed"]) {
    await events.sendMessages({ body: kind, messageId: kind, applicationProperties: { cloudEvents_type: `bacvault.${kind}.v1` } });
  }
  await events.sendMessages({ body: "a repeat", messageId: "backup.failed" });
  for (const subscription of ["all", "failures"]) {
    saw[subscription] = await drain(client.createReceiver("backup-events", subscription, { receiveMode: "receiveAndDelete" }));
  }

  saw.streamed = await new Promise(async (done, fail) => {
    const stream = client.createReceiver("requests");
    const timer = setTimeout(() => fail(new Error("the stream brought too little")), 5000);
    let n = 0;
    const subscription = stream.subscribe({
      processMessage: async () => {
        if (++n === 20) {
          clearTimeout(timer);
          setTimeout(async () => { await subscription.close(); await stream.close(); done(n); }, 50);
        }
      },
      processError: async ({ error }) => fail(error),
    });
    for (let i = 0; i < 20; i++) await sender.sendMessages({ body: `streamed ${i}` });
  });

  try {
    await client.createSender("nosuch").sendMessages({ body: "x" });
  } catch (err) {
    saw.noSuchEntity = err.code;
  }
  await client.close();
  console.log(JSON.stringify(saw));
}

main().catch((err) => { console.error(err); process.exit(1); });
