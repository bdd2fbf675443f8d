//! Nodes whose results nothing reads are left out.

use crate::compile::graph::Graph;

/// Without the nodes that add nothing to what the graph gives back.
pub fn remove_unread(mut graph: Graph) -> Graph {
    for index in (0..graph.nodes.len()).rev() {
        let outputs = &graph.nodes[index].outputs;
        if outputs.iter().all(|output| graph.uses(*output) == 0) {
            graph.nodes.remove(index);
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::passes::graphs::{GraphBuilder, convs};

    #[test]
    fn what_nothing_reads_is_not_computed() {
        let mut builder = GraphBuilder::new();
        let read = builder.conv("read", builder.image(), 8);
        let unread = builder.conv("unread", builder.image(), 8);
        builder.conv("last", unread, 8);
        let graph = remove_unread(builder.giving(&[read]));
        let names: Vec<&str> = convs(&graph)
            .iter()
            .map(|conv| conv.weight.as_str())
            .collect();
        assert_eq!(names, ["read"]);
    }
}
