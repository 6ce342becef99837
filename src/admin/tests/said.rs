//! Orders in words.

use crate::control::order::Order;

/// The order without the place for its answer.
pub(super) fn said(order: &Order) -> String {
    match order {
        Order::Recycle {
            instance,
            reason,
            force,
            wait,
            ..
        } => format!("recycle {instance:?} {reason} {force} {wait}"),
        Order::Hold(time, _) => format!("hold {time:?}"),
        Order::Disarm { rules, time, .. } => format!("disarm {rules:?} {time:?}"),
        Order::Arm { rules, .. } => format!("arm {rules:?}"),
        Order::Start(_) => "start".to_owned(),
        Order::Stop(_) => "stop".to_owned(),
        Order::Reload(_) => "reload".to_owned(),
        Order::Release(_) => "release".to_owned(),
        Order::Status(_) => "status".to_owned(),
        Order::Events { since, limit, .. } => format!("events {since:?} {limit}"),
        Order::Logs {
            previous,
            instance,
            since,
            limit,
            ..
        } => format!("logs {previous} {instance:?} {since:?} {limit}"),
        Order::Incidents { limit, .. } => format!("incidents {limit}"),
        Order::Incident { id, .. } => format!("incident {id:?}"),
        Order::Requests(_) => "requests".to_owned(),
    }
}
